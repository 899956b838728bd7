-- Notes what the history tells of messages, for those who are about to store an older state of them.
-- $1 uuid: connection. $2 text[]: the provider's ids, each once. $3 bigint[]: history ids. $4 boolean: deleted for good;
-- otherwise only messages that are not stored are noted, since the others carry their version themselves.
-- Relies on the primary key of gmail.told and the unique key (workspace_id, connection_id, provider_id) of crm.message.
INSERT INTO gmail.told AS known (workspace_id, connection_id, provider_id, history_id, is_gone)
SELECT crmd.workspace_id(), $1::uuid, new.provider_id, new.history_id, $4::boolean
FROM unnest($2::text[], $3::bigint[]) AS new (provider_id, history_id)
WHERE $4::boolean OR NOT EXISTS (
    SELECT FROM crm.message
    WHERE message.workspace_id = crmd.workspace_id() AND message.connection_id = $1::uuid
      AND message.provider_id = new.provider_id
)
ORDER BY new.provider_id
ON CONFLICT (workspace_id, connection_id, provider_id) DO UPDATE
SET history_id = greatest(known.history_id, EXCLUDED.history_id), is_gone = known.is_gone OR EXCLUDED.is_gone,
    told_at = now()
