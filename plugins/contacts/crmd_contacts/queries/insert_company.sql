-- A new company. $1 text: name. $2 text: registrable domain, or NULL. Relies on company_domain.
INSERT INTO crm.company (workspace_id, name, domain, source)
VALUES (crmd.workspace_id(), $1, $2, 'mail')
ON CONFLICT (workspace_id, domain) WHERE domain IS NOT NULL DO UPDATE SET domain = excluded.domain
RETURNING id;
