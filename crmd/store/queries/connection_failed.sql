-- A sync round failed: what an operator sees beside the connection. The state does not change.
-- $1 connection uuid, $2 reason text. Uses connection_pkey; row-level security keeps a plugin to its workspace.
UPDATE crmd.connection SET last_error = $2, updated_at = (SELECT crmd.clock()) WHERE id = $1 RETURNING id
