-- Gives addresses to a person; one that belongs to somebody already is left alone.
-- $1 uuid: contact id. $2 text[]: addresses. Relies on the primary key of crm.contact_email.
INSERT INTO crm.contact_email (workspace_id, address, contact_id, source)
SELECT crmd.workspace_id(), address, $1, 'mail' FROM unnest($2::text[]) AS address
ON CONFLICT (workspace_id, address) DO NOTHING
RETURNING address;
