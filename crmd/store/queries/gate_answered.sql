-- A call behind a gate was answered: the count of failures begins anew. The one that tried opens the gate for all, and
-- wakes the daemons that sleep.
-- $1 key text, $2 whether this was the one that tried bool. Uses gate_pkey.
WITH answered AS (
    UPDATE crmd.gate g
    SET failures = 0, closed_until = CASE WHEN $2 AND isfinite(g.closed_until) THEN n.clock ELSE g.closed_until END
    FROM (SELECT crmd.clock() AS clock) n
    WHERE g.key = $1 AND g.failures > 0
    RETURNING g.key
)
SELECT count(*) AS answered, count(crmd.wake()) AS woken FROM answered WHERE $2
