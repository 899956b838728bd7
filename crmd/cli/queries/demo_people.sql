-- A few people whom the demo found, the most complete first.
-- $1 uuid: the demo's workspace  $2 int: how many. Index: the primary keys, which the workspace leads.
SELECT c.full_name, c.title, o.name AS company, e.address,
    (SELECT p.number FROM crm.contact_phone p WHERE p.workspace_id = $1 AND p.contact_id = c.id
     ORDER BY p.kind = 'fax', p.number LIMIT 1) AS phone
FROM crm.contact c
LEFT JOIN crm.company o ON o.workspace_id = $1 AND o.id = c.company_id
LEFT JOIN crm.contact_email e ON e.workspace_id = $1 AND e.contact_id = c.id AND e.is_primary
WHERE c.workspace_id = $1 AND c.merged_into IS NULL
ORDER BY (c.title IS NULL)::integer + (o.name IS NULL)::integer, c.full_name LIMIT $2
