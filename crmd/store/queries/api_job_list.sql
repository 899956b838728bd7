-- Jobs, newest first, by page or by keyset.
-- $1 uuid: workspace, NULL: all  $2 text[]: statuses, NULL: all  $3 text: type  $4 uuid: user  $5 uuid: parent
-- $6 uuid: older than this job  $7 int: how many to leave out  $8 int: how many
-- Index: job_workspace, lease_workspace, archive_workspace, from their end; without a workspace the primary keys.
SELECT id, workspace_id, user_id, type, status, payload, result, progress, errors -> -1 AS last_error, created_at,
    started_at, finished_at, attempt, max_attempts, queue, priority, run_at, parent_id, cancel_requested_at
FROM crmd.jobs
WHERE ($1::uuid IS NULL OR workspace_id = $1) AND ($2::text[] IS NULL OR status = ANY ($2))
  AND ($3::text IS NULL OR type = $3) AND ($4::uuid IS NULL OR user_id = $4) AND ($5::uuid IS NULL OR parent_id = $5)
  AND ($6::uuid IS NULL OR id < $6)
ORDER BY id DESC OFFSET $7 LIMIT $8
