-- Takes away links from mail that newer mail has replaced. $1 uuid: contact id. $2 text[]: urls that stay.
-- Relies on the primary key of crm.contact_link.
DELETE FROM crm.contact_link
WHERE workspace_id = crmd.workspace_id() AND contact_id = $1 AND source = 'mail' AND NOT (url = ANY ($2));
