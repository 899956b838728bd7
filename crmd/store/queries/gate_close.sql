-- Closes a gate on all daemons at once; jobs behind it wait in the queue. A shorter pause never replaces a longer one.
-- $1 key text, $2 seconds float8 (NULL: until somebody opens it), $3 reason text. Uses gate_pkey.
INSERT INTO crmd.gate AS g (key, closed_until, reason, closed_at)
SELECT $1, coalesce(now_at + make_interval(secs => $2::float8), 'infinity'), $3, now_at
FROM (SELECT crmd.clock() AS now_at) AS clock
ON CONFLICT (key) DO UPDATE SET
    closed_until = excluded.closed_until, reason = excluded.reason, closed_at = excluded.closed_at
WHERE g.closed_until < excluded.closed_until
