-- Schedules that are due, locked for this transaction; another daemon takes the others. Answers the clock with each.
-- $1 int: how many at most. Index: schedule_due.
SELECT s.id, s.expression, s.timezone, s.catch_up, s.catch_up_max, s.spread_seconds, s.last_due_at, s.next_due_at,
    crmd.clock() AS now
FROM crmd.schedule s
WHERE NOT s.is_paused AND s.error IS NULL AND s.next_due_at <= (SELECT crmd.clock())
ORDER BY s.next_due_at LIMIT $1 FOR UPDATE SKIP LOCKED
