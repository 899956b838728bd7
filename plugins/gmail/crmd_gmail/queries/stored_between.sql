-- Ids of messages received in a span of time, which a resync compares with the provider's.
-- $1 uuid: connection. $2 timestamptz: from. $3 timestamptz: until, NULL for no end.
-- Relies on the index message (workspace_id, connection_id, received_at).
SELECT provider_id
FROM crm.message
WHERE workspace_id = crmd.workspace_id() AND connection_id = $1::uuid
  AND received_at >= $2::timestamptz AND ($3::timestamptz IS NULL OR received_at < $3::timestamptz)
