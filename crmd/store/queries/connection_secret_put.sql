-- Stores one sealed secret. The daemon gives a duration; only the database's clock makes an instant of it.
-- $1 workspace uuid, $2 connection uuid, $3 name text, $4 ciphertext text, $5 seconds until it ends, float8 or NULL.
-- Uses connection_secret_pkey.
INSERT INTO crmd.connection_secret AS s (workspace_id, connection_id, name, ciphertext, expires_at, updated_at)
SELECT $1, $2, $3, $4, now_at + make_interval(secs => $5::float8), now_at
FROM (SELECT crmd.clock() AS now_at) AS clock
ON CONFLICT (workspace_id, connection_id, name) DO UPDATE SET
    ciphertext = excluded.ciphertext,
    expires_at = excluded.expires_at,
    updated_at = excluded.updated_at
