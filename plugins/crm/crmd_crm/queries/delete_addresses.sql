-- Clears the addresses of messages that were written anew, before they are inserted again.
-- $1 uuid[]: messages.
-- Relies on the primary key (workspace_id, message_id, …).
DELETE FROM crm.message_address WHERE workspace_id = crmd.workspace_id() AND message_id = ANY($1::uuid[])
