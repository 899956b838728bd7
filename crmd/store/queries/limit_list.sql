-- The shared rates as they stand: what is declared, how fast they refill now, how many units are there.
-- No parameters. Buckets are one per account: a scan is fine.
SELECT b.name, b.units_per_second, b.burst, p.pace, b.units_per_second * p.pace AS units_per_second_now,
       least(b.burst, b.burst - extract(epoch FROM b.tat - n.clock)::float8 * b.units_per_second * p.pace) AS units_left,
       CASE WHEN p.pace < 1 THEN b.slowed_at END AS slowed_at,
       CASE WHEN p.pace < 1 THEN b.slowed_for END AS slowed_for
FROM crmd.bucket b CROSS JOIN (SELECT crmd.clock() AS clock) n
CROSS JOIN LATERAL (SELECT crmd.pace_at(b.pace, b.slowed_at, n.clock) AS pace) p
WHERE b.units_per_second IS NOT NULL
ORDER BY b.name
