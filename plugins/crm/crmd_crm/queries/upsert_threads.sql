-- Makes the conversations that a batch of messages belongs to; those that exist stay as they are.
-- $1 uuid: connection. $2 text[]: the provider's thread ids. $3 text[]: subject of each.
-- Relies on the unique key (workspace_id, connection_id, provider_thread_id); sorted, so that two syncs lock in one order.
INSERT INTO crm.thread (workspace_id, connection_id, provider_thread_id, subject)
SELECT DISTINCT ON (new.provider_thread_id) crmd.workspace_id(), $1::uuid, new.provider_thread_id, new.subject
FROM unnest($2::text[], $3::text[]) AS new (provider_thread_id, subject)
LEFT JOIN LATERAL (
    SELECT thread.id
    FROM crm.thread
    WHERE thread.workspace_id = crmd.workspace_id() AND thread.connection_id = $1::uuid
      AND thread.provider_thread_id = new.provider_thread_id
    LIMIT 1
) AS known ON true  -- fenced: one probe of the key per thread, also before the table was ever analysed
WHERE known.id IS NULL
ORDER BY new.provider_thread_id
ON CONFLICT (workspace_id, connection_id, provider_thread_id) DO NOTHING
