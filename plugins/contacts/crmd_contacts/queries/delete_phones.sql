-- Takes away numbers from mail that newer mail has replaced. $1 uuid: contact id. $2 text[]: `number;extension` of
-- those that stay. Relies on the primary key of crm.contact_phone.
DELETE FROM crm.contact_phone
WHERE workspace_id = crmd.workspace_id() AND contact_id = $1 AND source = 'mail'
  AND NOT (number || ';' || extension = ANY ($2));
