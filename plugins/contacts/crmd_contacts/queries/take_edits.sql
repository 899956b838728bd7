-- Gives the person kept what somebody edited on the duplicate and not on the kept row. $1 uuid: duplicate. $2 uuid: kept.
-- Relies on the primary key of crm.contact.
UPDATE crm.contact kept SET
    full_name = CASE WHEN 'full_name' = ANY (extra.fields) THEN gone.full_name ELSE kept.full_name END,
    given_name = CASE WHEN 'full_name' = ANY (extra.fields) THEN gone.given_name ELSE kept.given_name END,
    family_name = CASE WHEN 'full_name' = ANY (extra.fields) THEN gone.family_name ELSE kept.family_name END,
    title = CASE WHEN 'title' = ANY (extra.fields) THEN gone.title ELSE kept.title END,
    company_id = CASE WHEN 'company_id' = ANY (extra.fields) THEN gone.company_id ELSE kept.company_id END,
    location = CASE WHEN 'location' = ANY (extra.fields) THEN gone.location ELSE kept.location END,
    edited_fields = kept.edited_fields || extra.fields
FROM crm.contact gone,
LATERAL (SELECT ARRAY (SELECT unnest(gone.edited_fields) EXCEPT SELECT unnest(kept2.edited_fields)) AS fields
         FROM crm.contact kept2 WHERE kept2.workspace_id = gone.workspace_id AND kept2.id = $2) AS extra
WHERE gone.workspace_id = crmd.workspace_id() AND gone.id = $1
  AND kept.workspace_id = gone.workspace_id AND kept.id = $2 AND cardinality(extra.fields) > 0;
