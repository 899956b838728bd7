-- Those of some jobs that a workspace has. $1 uuid[]: ids  $2 uuid: workspace
-- Index: job_pkey, lease_pkey, archive_pkey.
SELECT id, type, status FROM crmd.jobs WHERE id = ANY ($1) AND workspace_id = $2
