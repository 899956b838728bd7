-- Replaces a ciphertext by the same secret under the current key, only if nobody stored another one meanwhile.
-- $1 workspace uuid, $2 connection uuid, $3 name text, $4 old ciphertext text, $5 new ciphertext text.
-- Uses connection_secret_pkey.
UPDATE crmd.connection_secret SET ciphertext = $5
WHERE workspace_id = $1 AND connection_id = $2 AND name = $3 AND ciphertext = $4
RETURNING true AS is_swapped
