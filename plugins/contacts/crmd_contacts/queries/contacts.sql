-- Contacts as they stand, locked against a person's edit until the transaction ends.
-- $1 uuid[]: contact ids. Relies on the primary key; locks in the order of ids.
SELECT c.id, c.full_name, c.given_name, c.family_name, c.name_prefix, c.name_suffix, c.title, c.company_id,
       c.edited_fields, c.source, c.created_at, o.name AS company, o.domain AS company_domain
FROM crm.contact c
LEFT JOIN crm.company o ON o.workspace_id = c.workspace_id AND o.id = c.company_id
WHERE c.workspace_id = crmd.workspace_id() AND c.id = ANY ($1)
ORDER BY c.id
FOR UPDATE OF c;
