-- One schedule whole, with its last tick. $1 text: id. Index: schedule_pkey, tick_pkey.
SELECT s.id, s.job_type, s.expression, s.timezone, s.offset_seconds, s.payload, s.workspace_id, s.user_id,
    s.connection_id, s.subject, s.origin, s.catch_up, s.catch_up_max, s.overlap, s.spread_seconds, s.is_paused,
    s.last_due_at, s.next_due_at, s.done_at, s.error, s.updated_at, s.last_tick_at, t.fired_at AS last_fired_at,
    t.job_id AS last_job_id, t.reason AS last_reason, (SELECT crmd.clock()) AS now
FROM crmd.schedule s LEFT JOIN crmd.tick t ON t.schedule_id = s.id AND t.due_at = s.last_tick_at
WHERE s.id = $1
