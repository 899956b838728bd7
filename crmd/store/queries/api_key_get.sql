-- A key that is alive, once its secret was right. $1 text: id. Index: api_key_pkey.
SELECT scopes, workspace_id, job_types FROM crmd.api_key
WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > crmd.clock())
