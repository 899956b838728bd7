-- A sync round is committed: freshness and counts, written in the same transaction as what it brought.
-- Keeps to the transaction's workspace by itself, whatever role it runs as.
-- $1 connection uuid, $2 items bigint. Uses connection_workspace_id_id_key.
UPDATE crmd.connection
SET last_synced_at = (SELECT crmd.clock()), synced_items = synced_items + $2, last_error = NULL,
    updated_at = (SELECT crmd.clock())
WHERE workspace_id = (SELECT crmd.workspace_id()) AND id = $1
