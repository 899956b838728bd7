-- Keys, newest first, without their secrets. $1 bool: those that are over, too. Reads the whole table: it is small.
SELECT id, client, scopes, workspace_id, job_types, created_at, created_by, expires_at, last_used_at, revoked_at
FROM crmd.api_key
WHERE $1 OR revoked_at IS NULL AND (expires_at IS NULL OR expires_at > crmd.clock())
ORDER BY created_at DESC, id
