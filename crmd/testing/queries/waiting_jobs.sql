-- The jobs that wait, in the order in which they were enqueued. No parameters.
SELECT id, type, status, payload::text AS payload, workspace_id, run_at FROM crmd.jobs
WHERE status IN ('pending', 'scheduled') ORDER BY created_at, id
