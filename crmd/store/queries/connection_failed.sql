-- A sync round failed: what an operator sees beside the connection. The state does not change.
-- $1 workspace uuid, $2 connection uuid, $3 reason text. Uses connection_workspace_id_id_key.
UPDATE crmd.connection SET last_error = $3, updated_at = (SELECT crmd.clock()) WHERE workspace_id = $1 AND id = $2
