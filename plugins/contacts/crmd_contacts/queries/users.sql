-- Which of some addresses belong to people who work in the CRM themselves: they are users, not contacts.
-- $1 text[]: addresses, lower case. Relies on the unique key of crm.app_user.
SELECT email FROM crm.app_user
WHERE workspace_id = crmd.workspace_id() AND email = ANY ($1);
