-- Keeps a new key, unless its client has two that are alive already. Answers its id, or no row.
-- $1 text: id  $2 text: client  $3 bytea: SHA-256 of its secret  $4 text[]: scopes  $5 uuid: workspace
-- $6 text[]: job types  $7 text: who made it  $8 float8: seconds until it ends, NULL: never. Index: api_key_client.
WITH turn AS (
    SELECT pg_advisory_xact_lock(hashtextextended('crmd.api_key ' || $2, 0))
)
INSERT INTO crmd.api_key (id, client, secret_hash, scopes, workspace_id, job_types, created_by, expires_at)
SELECT $1, $2, $3, $4, $5, $6, $7, crmd.clock() + make_interval(secs => $8) FROM turn
WHERE (SELECT count(*) FROM crmd.api_key k WHERE k.client = $2 AND k.revoked_at IS NULL
         AND (k.expires_at IS NULL OR k.expires_at > crmd.clock())) < 2
RETURNING id
