-- Keeps a template, replacing one of the same name; answers whether it is new.
-- $1 text: name  $2 uuid: workspace  $3 text: job type  $4 jsonb: payload  $5 text: priority  $6 text: queue
-- $7 text: description. Index: template_workspace_id_name_key.
INSERT INTO crmd.template AS t (name, workspace_id, job_type, payload, priority, queue, description, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, crmd.clock(), crmd.clock())
ON CONFLICT (workspace_id, name) DO UPDATE SET job_type = excluded.job_type, payload = excluded.payload,
    priority = excluded.priority, queue = excluded.queue, description = excluded.description,
    updated_at = excluded.updated_at
RETURNING (xmax = 0) AS is_new
