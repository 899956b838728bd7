-- The gates that are closed now, for the operator. Gates are few: a scan is fine.
SELECT key,
       CASE WHEN isfinite(closed_until)
            THEN extract(epoch FROM closed_until - (SELECT crmd.clock()))::float8 END AS wait_seconds,
       reason, closed_at, failures
FROM crmd.gate
WHERE closed_until > (SELECT crmd.clock())
ORDER BY key
