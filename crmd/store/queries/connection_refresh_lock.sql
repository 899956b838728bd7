-- The one winner over all daemons: whoever holds this row may talk to the token endpoint. The lock lives as long as
-- the transaction, so a daemon that dies frees it and one that is merely slow keeps it.
-- $1 workspace uuid, $2 connection uuid. Uses connection_secret_pkey.
SELECT ciphertext
FROM crmd.connection_secret
WHERE workspace_id = $1 AND connection_id = $2 AND name = 'refresh_token'
FOR UPDATE
