-- Forgets a cursor that the provider no longer accepts, only while it still is the one the caller saw.
-- Keeps to the transaction's workspace by itself, whatever role it runs as.
-- $1 connection uuid, $2 name text, $3 expected value jsonb as text. Uses cursor_pkey.
DELETE FROM crmd.cursor
WHERE workspace_id = (SELECT crmd.workspace_id()) AND connection_id = $1 AND name = $2 AND value = $3::text::jsonb
RETURNING true AS is_dropped
