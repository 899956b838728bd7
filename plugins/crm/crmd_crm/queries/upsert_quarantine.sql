-- Keeps aside what a provider calls a message and can't be one, with the reason; unchanged rows stay untouched.
-- $1 uuid: connection. $2 text[]: the provider's ids. $3 text[]: reason. $4 bigint[]: bytes. $5 bytea[]: SHA-256.
-- Relies on the primary key (workspace_id, connection_id, provider_id).
INSERT INTO crm.quarantine AS kept (workspace_id, connection_id, provider_id, reason, size_bytes, raw_sha256)
SELECT crmd.workspace_id(), $1::uuid, new.provider_id, new.reason, new.size_bytes, new.raw_sha256
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bytea[]) AS new (provider_id, reason, size_bytes, raw_sha256)
LEFT JOIN LATERAL (
    SELECT quarantine.reason, quarantine.raw_sha256
    FROM crm.quarantine
    WHERE quarantine.workspace_id = crmd.workspace_id() AND quarantine.connection_id = $1::uuid
      AND quarantine.provider_id = new.provider_id
    LIMIT 1
) AS known ON true
WHERE (known.reason, known.raw_sha256) IS DISTINCT FROM (new.reason, new.raw_sha256)
ORDER BY new.provider_id
ON CONFLICT (workspace_id, connection_id, provider_id) DO UPDATE
SET reason = EXCLUDED.reason, size_bytes = EXCLUDED.size_bytes, raw_sha256 = EXCLUDED.raw_sha256, updated_at = now()
