-- A person's links as signatures show them. $1 uuid: contact id. $2, $3 text[]: url, kind. Relies on the primary key.
INSERT INTO crm.contact_link AS known (workspace_id, contact_id, url, kind, source)
SELECT crmd.workspace_id(), $1, said.*, 'mail'
FROM unnest($2::text[], $3::text[]) AS said (url, kind)
ON CONFLICT (workspace_id, contact_id, url) DO UPDATE SET kind = excluded.kind
WHERE known.source = 'mail' AND known.kind IS DISTINCT FROM excluded.kind;
