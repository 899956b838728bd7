-- Recomputes what a thread says of its messages, where that changed; the subject is the first message's.
-- $1 uuid[]: threads, locked by the caller.
-- Relies on the index message (workspace_id, thread_id, received_at).
UPDATE crm.thread AS thread
SET message_count = found.message_count, first_message_at = found.first_at, last_message_at = found.last_at,
    subject = found.subject, updated_at = now()
FROM (
    SELECT message.thread_id, count(*)::integer AS message_count, min(message.received_at) AS first_at,
           max(message.received_at) AS last_at,
           (array_agg(message.subject ORDER BY message.received_at, message.provider_id))[1] AS subject
    FROM crm.message
    WHERE message.workspace_id = crmd.workspace_id() AND message.thread_id = ANY($1::uuid[])
    GROUP BY message.thread_id
) AS found
WHERE thread.workspace_id = crmd.workspace_id() AND thread.id = found.thread_id
  AND (thread.message_count, thread.first_message_at, thread.last_message_at, thread.subject)
      IS DISTINCT FROM (found.message_count, found.first_at, found.last_at, found.subject)
