-- A person's numbers as their newest signatures show them; those a person typed stay as they are.
-- $1 uuid: contact id. $2-$5 text[]: number (E.164), extension, kind, as written. Relies on the primary key.
INSERT INTO crm.contact_phone AS known (workspace_id, contact_id, number, extension, kind, raw, source)
SELECT crmd.workspace_id(), $1, said.*, 'mail'
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS said (number, extension, kind, raw)
ON CONFLICT (workspace_id, contact_id, number, extension) DO UPDATE SET kind = excluded.kind, raw = excluded.raw
WHERE known.source = 'mail' AND (known.kind, known.raw) IS DISTINCT FROM (excluded.kind, excluded.raw);
