-- Forgets what was told of messages that are stored now in a state at least as new, or are back after a deletion.
-- $1 uuid: connection. $2 text[]: the provider's ids. $3 boolean: deletions are forgotten too.
-- Relies on the primary key of gmail.told.
DELETE FROM gmail.told
WHERE workspace_id = crmd.workspace_id() AND connection_id = $1::uuid AND provider_id = ANY ($2::text[])
  AND ($3::boolean OR NOT is_gone)
