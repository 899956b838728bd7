-- Removes messages that the provider no longer has; their addresses and attachments go with them.
-- $1 uuid: connection. $2 text[]: the provider's message ids.
-- Relies on the unique key (workspace_id, connection_id, provider_id).
DELETE FROM crm.message
WHERE workspace_id = crmd.workspace_id() AND connection_id = $1::uuid AND provider_id = ANY($2::text[])
RETURNING id, thread_id
