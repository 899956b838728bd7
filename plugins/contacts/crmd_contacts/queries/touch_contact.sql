-- Notes that a person's addresses, numbers or links changed. $1 uuid: contact id. Relies on the primary key.
UPDATE crm.contact SET updated_at = now() WHERE workspace_id = crmd.workspace_id() AND id = $1;
