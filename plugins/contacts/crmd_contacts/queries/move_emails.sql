-- Hands a duplicate's addresses to the person it is. $1 uuid: duplicate. $2 uuid: kept. Relies on contact_email_contact.
UPDATE crm.contact_email SET contact_id = $2, is_primary = false
WHERE workspace_id = crmd.workspace_id() AND contact_id = $1;
