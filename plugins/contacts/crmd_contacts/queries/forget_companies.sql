-- Forgets companies that mail made known and that nobody belongs to any more: which of them were met on the way depends
-- on the order in which mail is read, who belongs to which does not. What a person entered or edited stays.
-- $1 uuid[]: companies that somebody has just left. Relies on the primary key and contact_company.
DELETE FROM crm.company c
WHERE c.workspace_id = crmd.workspace_id() AND c.id = ANY ($1) AND c.source = 'mail' AND c.edited_fields = '{}'
  AND NOT EXISTS (SELECT FROM crm.contact p WHERE p.workspace_id = c.workspace_id AND p.company_id = c.id
                    AND p.merged_into IS NULL);
