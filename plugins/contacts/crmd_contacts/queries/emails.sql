-- A person's addresses. $1 uuid: contact id. Relies on contact_email_contact.
SELECT address, is_primary, source
FROM crm.contact_email
WHERE workspace_id = crmd.workspace_id() AND contact_id = $1
ORDER BY address;
