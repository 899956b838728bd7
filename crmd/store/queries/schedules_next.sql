-- Seconds until the next schedule is due; NULL when there is none. No parameters. Index: schedule_due.
SELECT extract(epoch FROM min(next_due_at) - (SELECT crmd.clock()))::float8
FROM crmd.schedule WHERE NOT is_paused AND error IS NULL AND next_due_at < 'infinity'
