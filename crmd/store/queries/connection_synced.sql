-- A sync round is committed: freshness and counts, written in the same transaction as what it brought.
-- $1 connection uuid, $2 items bigint. Uses connection_pkey; row-level security keeps a plugin to its workspace.
UPDATE crmd.connection
SET last_synced_at = (SELECT crmd.clock()), synced_items = synced_items + $2, last_error = NULL,
    updated_at = (SELECT crmd.clock())
WHERE id = $1
RETURNING id
