-- Takes tokens from a shared bucket (generic cell rate algorithm) and says how many seconds are missing; 0 = taken.
-- A refused take writes nothing: the row is read first, and touched only when the answer may be yes. What two takers
-- do in the same instant is decided by the row lock, since the upsert looks again at the newest row.
-- A cost above the burst passes when the bucket is full, or it never would.
-- $1 name text, $2 cost float8, $3 tokens per second float8, $4 burst float8. Uses bucket_pkey.
WITH ask AS MATERIALIZED (
    SELECT now_at,
           make_interval(secs => $2::float8 / $3::float8) AS spend,
           make_interval(secs => greatest($4::float8, $2::float8) / $3::float8) AS tolerance
    FROM (SELECT crmd.clock() AS now_at) AS clock
), seen AS MATERIALIZED (
    SELECT tat FROM crmd.bucket WHERE name = $1
), taken AS (
    INSERT INTO crmd.bucket AS b (name, tat)
    SELECT $1, ask.now_at + ask.spend
    FROM ask
    WHERE NOT EXISTS (SELECT FROM seen WHERE seen.tat + ask.spend > ask.now_at + ask.tolerance)
    ON CONFLICT (name) DO UPDATE
    SET tat = greatest(b.tat, (SELECT now_at FROM ask)) + (SELECT spend FROM ask)
    WHERE b.tat + (SELECT spend FROM ask) <= (SELECT now_at + tolerance FROM ask)
    RETURNING b.tat
)
SELECT CASE WHEN EXISTS (SELECT FROM taken) THEN 0
            -- At least a millisecond: another taker was faster than this snapshot, so ask again.
            ELSE greatest(0.001, (
                SELECT extract(epoch FROM seen.tat + ask.spend - ask.tolerance - ask.now_at)::float8
                FROM ask LEFT JOIN seen ON true))
       END AS wait_seconds
