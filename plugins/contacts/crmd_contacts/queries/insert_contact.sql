-- A new person. $1 text: name as shown. Relies on no index.
INSERT INTO crm.contact (workspace_id, full_name, source)
VALUES (crmd.workspace_id(), $1, 'mail')
RETURNING id;
