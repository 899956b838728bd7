-- Which events start which jobs. $1 text: job type, NULL all. Index: none; there are few.
SELECT t.event_type, t.job_type, t.gives, t.origin, t.condition::text AS condition, t.delay_seconds, t.priority, t.dedup,
    t.max_delay_seconds, t.is_ordered
FROM crmd.trigger t WHERE $1::text IS NULL OR t.job_type = $1 ORDER BY t.event_type, t.job_type
