-- Takes units from a shared bucket (generic cell rate algorithm) and says how many seconds are missing; 0 = taken.
-- With a gate's key, nothing is taken while that gate is closed, and the answer says why and for how long (NULL
-- gate_seconds: until somebody opens it), so that a request to a provider asks the database once and not twice. A gate
-- that a breaker closed lets one through when its time is over, and is closed again behind that one (is_trying).
-- A refused take writes nothing: the rows are read first, and touched only when the answer may be yes. What two takers
-- do in the same instant is decided by the row locks, since each write looks again at the newest row.
-- A cost above the burst passes when the bucket is full, or it never would. Of the units ahead, as many are taken as
-- there are; granted says how many came in all.
-- $1 name text, $2 cost float8, $3 units per second float8, $4 burst float8, $5 gate key text or NULL,
-- $6 units ahead float8, $7 failures from which a gate is a breaker int, $8 seconds for one try float8.
-- Uses bucket_pkey and gate_pkey.
WITH seen AS MATERIALIZED (
    SELECT now_at, b.tat, $3::float8 * crmd.pace_at(coalesce(b.pace, 1), b.slowed_at, now_at) AS speed
    FROM (SELECT crmd.clock() AS now_at) AS clock LEFT JOIN crmd.bucket b ON b.name = $1
), ask AS MATERIALIZED (
    SELECT now_at, tat, speed, make_interval(secs => $2::float8 / speed) AS spend,
           make_interval(secs => ($2::float8 + $6::float8) / speed) AS spend_ahead,
           make_interval(secs => greatest($4::float8, $2::float8) / speed) AS tolerance
    FROM seen
), gate AS MATERIALIZED (
    SELECT g.closed_until, g.reason, g.failures FROM crmd.gate g WHERE g.key = $5
), has_room AS MATERIALIZED (
    SELECT tat IS NULL OR tat + spend <= now_at + tolerance AS is_true FROM ask
), trying AS (
    UPDATE crmd.gate g SET closed_until = ask.now_at + make_interval(secs => $8::float8)
    FROM ask
    WHERE g.key = $5 AND g.closed_until <= ask.now_at AND g.failures >= $7 AND (SELECT is_true FROM has_room)
      AND EXISTS (SELECT FROM gate WHERE gate.failures >= $7 AND gate.closed_until <= ask.now_at)
    RETURNING true AS is_true
), shut AS MATERIALIZED (
    SELECT gate.reason, CASE WHEN isfinite(gate.closed_until)
                             THEN greatest(1.0, extract(epoch FROM gate.closed_until - ask.now_at)::float8) END
                        AS gate_seconds
    FROM gate CROSS JOIN ask
    WHERE NOT EXISTS (SELECT FROM trying)
      AND (gate.closed_until > ask.now_at OR (gate.failures >= $7 AND (SELECT is_true FROM has_room)))
), taken AS (
    INSERT INTO crmd.bucket AS b (name, tat, units_per_second, burst, granted)
    SELECT $1, ask.now_at + least(ask.spend_ahead, ask.tolerance), $3, $4, least($2 + $6, greatest($4, $2))
    FROM ask
    WHERE NOT EXISTS (SELECT FROM shut) AND (SELECT is_true FROM has_room)
    ON CONFLICT (name) DO UPDATE SET (tat, units_per_second, burst, granted) = (
        SELECT greatest(b.tat, ask.now_at) + t.took, $3, $4, extract(epoch FROM t.took)::float8 * ask.speed
        FROM ask CROSS JOIN LATERAL (
            SELECT least(ask.spend_ahead, ask.now_at + ask.tolerance - greatest(b.tat, ask.now_at)) AS took) t)
    WHERE b.tat + (SELECT spend FROM ask) <= (SELECT now_at + tolerance FROM ask)
    RETURNING b.granted
)
SELECT CASE WHEN EXISTS (SELECT FROM taken) THEN 0
            -- At least a millisecond: another taker was faster than this snapshot, so ask again.
            ELSE greatest(0.001, extract(epoch FROM ask.tat + ask.spend - ask.tolerance - ask.now_at)::float8)
       END AS wait_seconds,
       coalesce((SELECT granted FROM taken), 0) AS granted,
       shut.reason,
       shut.gate_seconds,
       coalesce((SELECT failures FROM gate), 0) AS failures,
       EXISTS (SELECT FROM trying) AS is_trying
FROM ask LEFT JOIN shut ON true
