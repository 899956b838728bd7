-- Calls a company what its people call it. $1 uuid: company id. $2 text: name. Relies on the primary key.
UPDATE crm.company SET name = $2, updated_at = now()
WHERE workspace_id = crmd.workspace_id() AND id = $1 AND name <> $2;
