-- Marks a duplicate, and all that were merged into it before, as the person kept, so that one step resolves an old id.
-- Answers the companies that they leave.
-- $1 uuid: duplicate. $2 uuid: kept. Relies on the primary key and contact_merged_into.
UPDATE crm.contact SET merged_into = $2, updated_at = now()
WHERE workspace_id = crmd.workspace_id() AND (id = $1 OR merged_into = $1)
RETURNING company_id;
