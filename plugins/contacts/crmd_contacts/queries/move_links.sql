-- Hands a duplicate's links to the person it is; those from mail are derived anew. $1 uuid: duplicate. $2 uuid: kept.
-- Relies on the primary key of crm.contact_link.
WITH gone AS (
    DELETE FROM crm.contact_link
    WHERE workspace_id = crmd.workspace_id() AND contact_id = $1
    RETURNING workspace_id, url, kind, source
)
INSERT INTO crm.contact_link (workspace_id, contact_id, url, kind, source)
SELECT workspace_id, $2, url, kind, source FROM gone WHERE source <> 'mail'
ON CONFLICT (workspace_id, contact_id, url) DO NOTHING;
