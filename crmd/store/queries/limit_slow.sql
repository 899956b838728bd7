-- The provider refused for want of quota: the bucket is empty, and refills half as fast for all daemons, never below a
-- twentieth of the declared rate. Refusals of one moment, as requests in flight together get them, count once.
-- $1 name text, $2 units per second float8, $3 burst float8, $4 what it said text, $5 seconds of one moment float8.
-- Uses bucket_pkey. Answers the pace; no row: it was slowed already.
INSERT INTO crmd.bucket AS b (name, tat, pace, slowed_at, slowed_for, units_per_second, burst)
SELECT $1, n.clock + make_interval(secs => $3::float8 / ($2::float8 * 0.5)), 0.5, n.clock, $4, $2, $3
FROM (SELECT crmd.clock() AS clock) n
ON CONFLICT (name) DO UPDATE SET (tat, pace, slowed_at, slowed_for, units_per_second, burst) = (
    SELECT greatest(b.tat, n.clock + make_interval(secs => $3 / ($2 * n.pace))), n.pace, n.clock, $4, $2, $3
    FROM (SELECT crmd.clock() AS clock,
                 greatest(0.05, crmd.pace_at(b.pace, b.slowed_at, crmd.clock()) * 0.5) AS pace) n)
WHERE b.slowed_at IS NULL OR b.slowed_at <= (SELECT crmd.clock()) - make_interval(secs => $5::float8)
RETURNING b.pace
