-- One connection of one workspace with the state that holds now; no row when another workspace owns it.
-- $1 workspace uuid, $2 connection uuid. Uses connection_workspace_id_id_key.
SELECT id, workspace_id, user_id, provider, account, state, scopes, endpoints::text AS endpoints, client_id,
       last_error, last_synced_at, synced_items
FROM crmd.connections
WHERE workspace_id = $1 AND id = $2
