-- Marks the address a person is written to. $1 uuid: contact id. $2 text: address. Relies on the primary key.
UPDATE crm.contact_email SET is_primary = true
WHERE workspace_id = crmd.workspace_id() AND contact_id = $1 AND address = $2;
