-- A company of which only the name is known. $1 text: name. Relies on company_name; the oldest when there are several.
SELECT id FROM crm.company
WHERE workspace_id = crmd.workspace_id() AND lower(name) = lower($1)
ORDER BY domain NULLS FIRST, created_at, id
LIMIT 1;
