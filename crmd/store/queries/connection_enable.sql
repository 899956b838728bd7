-- An operator lets a disabled connection work again. Only a consent can bring one back that needs it.
-- $1 workspace uuid, $2 connection uuid. Uses connection_workspace_id_id_key.
UPDATE crmd.connection
SET state = 'active', throttled_until = NULL, last_error = NULL, updated_at = (SELECT crmd.clock())
WHERE workspace_id = $1 AND id = $2 AND state = 'disabled'
RETURNING id
