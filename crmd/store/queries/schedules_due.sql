-- Schedules that are due, locked for this transaction; another daemon takes the others. Answers the clock with each.
-- $1 int: how many at most. Index: schedule_due.
SELECT s.id, s.expression, s.timezone, s.offset_seconds, s.catch_up, s.catch_up_max, s.spread_seconds, s.last_due_at,
    s.last_tick_at, s.next_due_at, (SELECT crmd.clock()) AS now,
    EXISTS (SELECT FROM crmd.job_type t WHERE t.name = s.job_type OR s.job_type = ANY (t.aliases)) AS has_job_type,
    s.job_type
FROM crmd.schedule s
WHERE NOT s.is_paused AND s.error IS NULL AND s.next_due_at <= (SELECT crmd.clock())
ORDER BY s.next_due_at LIMIT $1 FOR UPDATE SKIP LOCKED
