-- Passes a gate: no row when it is open and nothing was ever wrong. Behind a breaker whose pause is over one passes and
-- closes it again behind itself (is_trying); whoever comes in the same instant waits, decided by the row lock.
-- $1 key text, $2 failures from which a gate is a breaker int, $3 seconds for one try float8. Uses gate_pkey.
WITH seen AS MATERIALIZED (
    SELECT g.closed_until, g.reason, g.failures, n.clock AS now_at
    FROM crmd.gate g, (SELECT crmd.clock() AS clock) n WHERE g.key = $1
), trying AS (
    UPDATE crmd.gate g SET closed_until = seen.now_at + make_interval(secs => $3::float8)
    FROM seen
    WHERE g.key = $1 AND seen.failures >= $2 AND seen.closed_until <= seen.now_at
      AND g.failures >= $2 AND g.closed_until <= seen.now_at
    RETURNING true AS is_true
), told AS (
    SELECT s.*, EXISTS (SELECT FROM trying) AS is_trying FROM seen s
)
SELECT t.reason, t.failures, t.is_trying,
    NOT t.is_trying AND (t.closed_until > t.now_at OR t.failures >= $2) AS is_shut,
    CASE WHEN isfinite(t.closed_until)
         THEN greatest(1.0, extract(epoch FROM t.closed_until - t.now_at)::float8) END AS wait_seconds
FROM told t
