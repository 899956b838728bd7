-- Takes the primary mark off a person's addresses, since only one may have it. $1 uuid: contact id.
-- Relies on contact_email_primary.
UPDATE crm.contact_email SET is_primary = false
WHERE workspace_id = crmd.workspace_id() AND contact_id = $1 AND is_primary;
