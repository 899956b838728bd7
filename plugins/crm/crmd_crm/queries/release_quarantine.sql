-- Takes ids out of the quarantine: they are stored as messages now, or the provider dropped them.
-- $1 uuid: connection. $2 text[]: the provider's ids.
-- Relies on the primary key (workspace_id, connection_id, provider_id).
DELETE FROM crm.quarantine
WHERE workspace_id = crmd.workspace_id() AND connection_id = $1::uuid AND provider_id = ANY($2::text[])
