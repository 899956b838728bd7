-- Everybody whom a batch of messages names.
-- $1 uuid[]: message. $2 text[]: role. $3 integer[]: position. $4 text[]: name. $5 text[]: address or NULL.
-- Relies on the primary key.
INSERT INTO crm.message_address (workspace_id, message_id, role, position, name, address)
SELECT crmd.workspace_id(), new.message_id, new.role, new.position, new.name, new.address
FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::text[], $5::text[])
     AS new (message_id, role, position, name, address)
