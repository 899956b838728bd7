-- Locks the threads that a batch belongs to, in one order for everybody: counts are taken under this lock.
-- $1 uuid: connection. $2 text[]: the provider's thread ids.
-- Relies on the unique key (workspace_id, connection_id, provider_thread_id).
SELECT id
FROM crm.thread
WHERE workspace_id = crmd.workspace_id() AND connection_id = $1::uuid AND provider_thread_id = ANY($2::text[])
ORDER BY id
FOR UPDATE
