-- What a resync compares with the provider's list: ids received since an instant, and all in quarantine (they have no instant).
-- $1 uuid: connection. $2 timestamptz: since, NULL for all.
-- Relies on the index message (workspace_id, connection_id, received_at) and on the quarantine's primary key.
SELECT provider_id
FROM crm.message
WHERE workspace_id = crmd.workspace_id() AND connection_id = $1::uuid
  AND ($2::timestamptz IS NULL OR received_at >= $2::timestamptz)
UNION ALL
SELECT provider_id
FROM crm.quarantine
WHERE workspace_id = crmd.workspace_id() AND connection_id = $1::uuid
