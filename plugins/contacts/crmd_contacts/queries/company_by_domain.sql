-- The company of a domain. $1 text: registrable domain. Relies on company_domain.
SELECT id, name, source, edited_fields FROM crm.company
WHERE workspace_id = crmd.workspace_id() AND domain = $1;
