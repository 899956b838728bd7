-- Templates of jobs, by name. $1 uuid: workspace; NULL: every one's. Few rows: a scan is fine.
SELECT name, workspace_id, job_type, payload, priority, queue, description, updated_at
FROM crmd.template WHERE $1::uuid IS NULL OR workspace_id = $1 OR workspace_id IS NULL
ORDER BY name, workspace_id NULLS FIRST
