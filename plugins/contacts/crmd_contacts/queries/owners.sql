-- To whom addresses belong so far. $1 text[]: addresses, lower case. Relies on the primary key of crm.contact_email.
SELECT address, contact_id
FROM crm.contact_email
WHERE workspace_id = crmd.workspace_id() AND address = ANY ($1);
