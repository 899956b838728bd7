-- Every schedule, with its last tick. No parameters. Index: tick_pkey.
SELECT s.id, s.job_type, s.expression, s.timezone, s.workspace_id, s.origin, s.catch_up, s.overlap, s.spread_seconds,
    s.is_paused, s.last_due_at, s.next_due_at, s.error, t.fired_at AS last_fired_at, t.job_id AS last_job_id,
    t.reason AS last_reason
FROM crmd.schedule s LEFT JOIN LATERAL (
    SELECT fired_at, job_id, reason FROM crmd.tick t WHERE t.schedule_id = s.id ORDER BY t.due_at DESC LIMIT 1) t ON true
ORDER BY s.id
