-- A template by its name: the workspace's own, or else the installation's.
-- $1 text: name  $2 uuid: workspace, NULL: the installation. Index: template_workspace_id_name_key.
SELECT name, workspace_id, job_type, payload, priority, queue, description, updated_at
FROM crmd.template WHERE name = $1 AND (workspace_id = $2 OR workspace_id IS NULL)
ORDER BY workspace_id NULLS LAST LIMIT 1
