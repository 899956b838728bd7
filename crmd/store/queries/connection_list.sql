-- Connections for the operator and for jobs that fan out over accounts, oldest first.
-- $1 workspace uuid (NULL: all), $2 provider text (NULL: all). A table of accounts is small: a scan is fine.
SELECT id, workspace_id, user_id, provider, account, state, scopes, endpoints::text AS endpoints, client_id,
       last_error, last_synced_at, synced_items
FROM crmd.connections
WHERE ($1::uuid IS NULL OR workspace_id = $1) AND ($2::text IS NULL OR provider = $2)
ORDER BY id
