-- Locks the threads that a batch belongs to, and those its messages stood in so far, in one order for everybody: counts are
-- taken under this lock.
-- $1 uuid: connection. $2 text[]: the provider's thread ids. $3 text[]: the provider's message ids.
-- Relies on the unique keys (workspace_id, connection_id, provider_…_id) of thread and message, and thread's primary key.
SELECT id
FROM crm.thread
WHERE workspace_id = crmd.workspace_id()
  AND id = ANY(ARRAY(
      SELECT given.id
      FROM crm.thread AS given
      WHERE given.workspace_id = crmd.workspace_id() AND given.connection_id = $1::uuid
        AND given.provider_thread_id = ANY($2::text[])
      UNION
      SELECT message.thread_id
      FROM crm.message
      WHERE message.workspace_id = crmd.workspace_id() AND message.connection_id = $1::uuid
        AND message.provider_id = ANY($3::text[])
  ))
ORDER BY id
FOR UPDATE
