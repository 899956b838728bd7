-- How long a gate stays closed: no row when it is open, NULL seconds when it waits for a person.
-- $1 key text. Uses gate_pkey.
SELECT CASE WHEN isfinite(closed_until)
            THEN extract(epoch FROM closed_until - (SELECT crmd.clock()))::float8 END AS wait_seconds,
       reason
FROM crmd.gate
WHERE key = $1 AND closed_until > (SELECT crmd.clock())
