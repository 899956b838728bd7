-- Locks the threads of messages that are about to go, in one order for everybody: counts are taken under this lock.
-- $1 uuid: connection. $2 text[]: the provider's message ids.
-- Relies on the unique key (workspace_id, connection_id, provider_id) of message and the primary key of thread.
SELECT id
FROM crm.thread
WHERE workspace_id = crmd.workspace_id()
  AND id IN (
      SELECT thread_id
      FROM crm.message
      WHERE workspace_id = crmd.workspace_id() AND connection_id = $1::uuid AND provider_id = ANY($2::text[])
  )
ORDER BY id
FOR UPDATE
