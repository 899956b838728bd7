-- Fires slots: each becomes a tick and a job, or was one already. Answers those whose job this made. See crmd.fire_many.
-- $1 text[]: schedules  $2 timestamptz[]: due at  $3 timestamptz[]: run at  $4 timestamptz[]: the tick before, NULL none
-- $5 bool: whether it is a backfill. Index: tick_pkey, schedule_pkey.
SELECT schedule_id, due_at, job_id FROM crmd.fire_many($1, $2, $3, $4, $5)
