-- What the history told of messages before they could be stored.
-- $1 uuid: connection. $2 text[]: the provider's ids. Relies on the primary key of gmail.told.
SELECT provider_id, history_id, is_gone
FROM gmail.told
WHERE workspace_id = crmd.workspace_id() AND connection_id = $1::uuid AND provider_id = ANY ($2::text[])
