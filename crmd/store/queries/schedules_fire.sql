-- Fires slots: each becomes a tick and a job, or was one already. Answers how many jobs were made.
-- $1 text[]: schedules  $2 timestamptz[]: due at  $3 timestamptz[]: run at. Index: tick_pkey.
SELECT count(*) FILTER (WHERE crmd.fire(f.id, f.due_at, f.run_at))
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS f(id, due_at, run_at)
