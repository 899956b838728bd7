-- A call behind a gate failed. Calls in a row are counted; from $3 on each closes the gate, each time for twice as long.
-- A pause that somebody asked for, or that waits for a person, is never shortened; that of one's own try is replaced.
-- Failures that are long past count no more.
-- $1 key text, $2 reason text, $3 failures from which it closes int, $4 first pause float8 s, $5 longest pause float8 s,
-- $6 jitter float8 (a factor from 1 on), $7 whether this was the one that tried bool, $8 forgotten after float8 s.
-- Uses gate_pkey. Answers the count and the seconds for which it is closed now.
INSERT INTO crmd.gate AS g (key, closed_until, reason, closed_at, failures)
SELECT $1, n.clock, $2, n.clock, 1 FROM (SELECT crmd.clock() AS clock) n
ON CONFLICT (key) DO UPDATE SET (closed_until, reason, closed_at, failures) = (
    SELECT CASE WHEN $7 AND isfinite(g.closed_until) THEN n.pause_end ELSE greatest(g.closed_until, n.pause_end) END,
           CASE WHEN isfinite(g.closed_until) THEN $2 ELSE g.reason END, n.clock, n.failures
    FROM (
        SELECT c.clock, c.failures, CASE WHEN c.failures < $3 THEN c.clock ELSE c.clock + make_interval(secs =>
            least($4::float8 * power(2.0, least(c.failures - $3, 20))::float8, $5::float8) * $6::float8) END AS pause_end
        FROM (SELECT crmd.clock() AS clock,
                     CASE WHEN g.closed_at < crmd.clock() - make_interval(secs => $8::float8) THEN 1
                          ELSE g.failures + 1 END AS failures) c) n)
RETURNING g.failures,
    CASE WHEN isfinite(g.closed_until) THEN extract(epoch FROM g.closed_until - g.closed_at)::float8 END AS closed_seconds
