-- The figures of the fleet as they were gathered last, and how long ago. No parameters. One row, or none yet.
SELECT extract(epoch FROM n.clock - f.gathered_at)::float8 AS age_seconds, f.enqueued, f.emitted, f.fleet, f.counted_to,
    n.clock AS now
FROM (SELECT crmd.clock() AS clock) n LEFT JOIN crmd.figures f ON true
