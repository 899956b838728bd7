-- Which of some addresses belong to those who work in the CRM themselves, as users or as owners of a mailbox: they are
-- not contacts. $1 text[]: addresses, lower case. Relies on the unique keys of crm.app_user and crmd.connection.
SELECT email FROM crm.app_user
WHERE workspace_id = crmd.workspace_id() AND email = ANY ($1)
UNION
SELECT lower(account) FROM crmd.connections
WHERE workspace_id = crmd.workspace_id() AND lower(account) = ANY ($1);
