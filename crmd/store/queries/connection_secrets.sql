-- The sealed secrets of one connection, each with the seconds it has left by the database's clock (NULL: no end).
-- $1 workspace uuid, $2 connection uuid. Uses connection_secret_pkey.
SELECT name, ciphertext, extract(epoch FROM expires_at - (SELECT crmd.clock()))::float8 AS seconds_left
FROM crmd.connection_secret
WHERE workspace_id = $1 AND connection_id = $2
