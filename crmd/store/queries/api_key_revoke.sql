-- Ends a key. Answers its client, or no row. $1 text: id. Index: api_key_pkey.
UPDATE crmd.api_key SET revoked_at = crmd.clock() WHERE id = $1 AND revoked_at IS NULL RETURNING client
