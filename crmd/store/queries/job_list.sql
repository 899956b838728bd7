-- Jobs, newest first, by keyset.
-- $1 text[]: statuses, NULL: all  $2 text: type  $3 uuid: workspace  $4 uuid: parent  $5 uuid: before this id
-- $6 int: how many
-- Index: the primary keys, from their end.
SELECT id, status, type, queue, priority, workspace_id, user_id, parent_id, attempt, max_attempts, run_at, created_at,
    started_at, finished_at, progress, errors -> -1 AS last_error, held, daemon_id
FROM crmd.jobs
WHERE ($1::text[] IS NULL OR status = ANY ($1)) AND ($2::text IS NULL OR type = $2)
  AND ($3::uuid IS NULL OR workspace_id = $3) AND ($4::uuid IS NULL OR parent_id = $4) AND ($5::uuid IS NULL OR id < $5)
ORDER BY id DESC LIMIT $6
