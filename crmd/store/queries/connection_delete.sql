-- Forgets a connection with its secrets and cursors, and the gate that nobody could open any more.
-- $1 workspace uuid, $2 connection uuid. Uses connection_workspace_id_id_key and gate_pkey.
WITH gone AS (
    DELETE FROM crmd.connection WHERE workspace_id = $1 AND id = $2 RETURNING id
), opened AS (
    DELETE FROM crmd.gate WHERE key = (SELECT 'connection/' || gone.id FROM gone)
)
SELECT id FROM gone
