-- Hands a duplicate's numbers to the person it is; those from mail are derived anew. $1 uuid: duplicate. $2 uuid: kept.
-- Relies on the primary key of crm.contact_phone.
WITH gone AS (
    DELETE FROM crm.contact_phone
    WHERE workspace_id = crmd.workspace_id() AND contact_id = $1
    RETURNING workspace_id, number, extension, kind, raw, source
)
INSERT INTO crm.contact_phone (workspace_id, contact_id, number, extension, kind, raw, source)
SELECT workspace_id, $2, number, extension, kind, raw, source FROM gone WHERE source <> 'mail'
ON CONFLICT (workspace_id, contact_id, number, extension) DO NOTHING;
