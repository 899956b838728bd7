-- Schedules by id, with their last tick. $1 uuid: workspace, NULL all  $2 text: after this id  $3 int: how many
-- $4 uuid: user, NULL all
-- Index: schedule_pkey or schedule_owner, tick_pkey.
SELECT s.id, s.job_type, s.expression, s.timezone, s.offset_seconds, s.workspace_id, s.user_id, s.connection_id,
    s.subject, s.origin, s.catch_up, s.overlap, s.spread_seconds, s.is_paused, s.last_due_at, s.next_due_at, s.done_at,
    s.error, t.fired_at AS last_fired_at, t.job_id AS last_job_id, t.reason AS last_reason,
    (SELECT crmd.clock()) AS now
FROM (
    SELECT * FROM crmd.schedule
    WHERE ($1::uuid IS NULL OR workspace_id = $1) AND ($4::uuid IS NULL OR user_id = $4) AND id > $2
    ORDER BY id LIMIT $3
) s LEFT JOIN crmd.tick t ON t.schedule_id = s.id AND t.due_at = s.last_tick_at
ORDER BY s.id
