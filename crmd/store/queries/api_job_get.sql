-- One job of a workspace, wherever it stands. $1 uuid: job id  $2 uuid: workspace, NULL: of any or none.
-- Index: job_pkey, lease_pkey, archive_pkey.
SELECT id, workspace_id, user_id, type, status, payload, result, progress, errors, errors -> -1 AS last_error, created_at,
    started_at, finished_at, attempt, max_attempts, queue, priority, run_at, parent_id, cancel_requested_at,
    coalesce(meta ? 'isPayloadGone', false) AS is_payload_gone
FROM crmd.jobs WHERE id = $1 AND ($2::uuid IS NULL OR workspace_id = $2)
