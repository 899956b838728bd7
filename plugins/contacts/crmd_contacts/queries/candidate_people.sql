-- People that were not made from mail and may be one of those at hand: same number, or same company.
-- $1 text[]: E.164 numbers. $2 text[]: company domains.
-- Relies on contact_phone_number, company_domain and contact_company.
WITH near AS (
    SELECT contact_id AS id FROM crm.contact_phone
    WHERE workspace_id = crmd.workspace_id() AND number = ANY ($1)
    UNION
    SELECT c.id FROM crm.company o
    JOIN crm.contact c ON c.workspace_id = o.workspace_id AND c.company_id = o.id
    WHERE o.workspace_id = crmd.workspace_id() AND o.domain = ANY ($2)
)
SELECT c.id, c.full_name, coalesce(o.domain, '') AS domain, coalesce(o.name, '') AS company,
       ARRAY (SELECT p.number FROM crm.contact_phone p
              WHERE p.workspace_id = c.workspace_id AND p.contact_id = c.id ORDER BY p.number) AS phones
FROM near
JOIN crm.contact c ON c.workspace_id = crmd.workspace_id() AND c.id = near.id
LEFT JOIN crm.company o ON o.workspace_id = c.workspace_id AND o.id = c.company_id
WHERE c.merged_into IS NULL AND c.source <> 'mail' AND c.full_name <> ''
ORDER BY c.id;
