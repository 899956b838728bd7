-- Takes tokens from a shared bucket (generic cell rate algorithm) and says how many seconds are missing; 0 = taken.
-- With a gate's key, nothing is taken while that gate is closed, and the answer says why and for how long (NULL
-- gate_seconds: until somebody opens it), so that a request to a provider asks the database once and not twice.
-- A refused take writes nothing: the row is read first, and touched only when the answer may be yes. What two takers
-- do in the same instant is decided by the row lock, since the upsert looks again at the newest row.
-- A cost above the burst passes when the bucket is full, or it never would.
-- $1 name text, $2 cost float8, $3 tokens per second float8, $4 burst float8, $5 gate key text or NULL.
-- Uses bucket_pkey and gate_pkey.
WITH ask AS MATERIALIZED (
    SELECT now_at,
           make_interval(secs => $2::float8 / $3::float8) AS spend,
           make_interval(secs => greatest($4::float8, $2::float8) / $3::float8) AS tolerance
    FROM (SELECT crmd.clock() AS now_at) AS clock
), seen AS MATERIALIZED (
    SELECT tat FROM crmd.bucket WHERE name = $1
), shut AS MATERIALIZED (
    SELECT reason,
           CASE WHEN isfinite(closed_until) THEN extract(epoch FROM closed_until - now_at)::float8 END AS gate_seconds
    FROM crmd.gate CROSS JOIN ask
    WHERE key = $5 AND closed_until > now_at
), taken AS (
    INSERT INTO crmd.bucket AS b (name, tat)
    SELECT $1, ask.now_at + ask.spend
    FROM ask
    WHERE NOT EXISTS (SELECT FROM shut)
      AND NOT EXISTS (SELECT FROM seen WHERE seen.tat + ask.spend > ask.now_at + ask.tolerance)
    ON CONFLICT (name) DO UPDATE
    SET tat = greatest(b.tat, (SELECT now_at FROM ask)) + (SELECT spend FROM ask)
    WHERE b.tat + (SELECT spend FROM ask) <= (SELECT now_at + tolerance FROM ask)
    RETURNING b.tat
)
SELECT CASE WHEN EXISTS (SELECT FROM taken) THEN 0
            -- At least a millisecond: another taker was faster than this snapshot, so ask again.
            ELSE greatest(0.001, extract(epoch FROM seen.tat + ask.spend - ask.tolerance - ask.now_at)::float8)
       END AS wait_seconds,
       shut.reason,
       shut.gate_seconds
FROM ask LEFT JOIN seen ON true LEFT JOIN shut ON true
