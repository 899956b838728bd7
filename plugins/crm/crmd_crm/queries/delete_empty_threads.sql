-- Removes threads that lost their last message.
-- $1 uuid[]: threads, locked by the caller.
-- Relies on the primary key and on the index message (workspace_id, thread_id, received_at).
DELETE FROM crm.thread
WHERE thread.workspace_id = crmd.workspace_id() AND thread.id = ANY($1::uuid[])
  AND NOT EXISTS (
      SELECT FROM crm.message
      WHERE message.workspace_id = crmd.workspace_id() AND message.thread_id = thread.id
  )
