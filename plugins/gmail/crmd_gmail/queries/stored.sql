-- Which of these ids are stored, with their labels, or in quarantine (labels NULL).
-- $1 uuid: connection. $2 text[]: the provider's ids.
-- Relies on the unique key (workspace_id, connection_id, provider_id) of crm.message and the key of crm.quarantine.
SELECT provider_id, labels
FROM crm.message
WHERE workspace_id = crmd.workspace_id() AND connection_id = $1::uuid AND provider_id = ANY ($2::text[])
UNION ALL
SELECT provider_id, NULL
FROM crm.quarantine
WHERE workspace_id = crmd.workspace_id() AND connection_id = $1::uuid AND provider_id = ANY ($2::text[])
