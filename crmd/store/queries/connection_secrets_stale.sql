-- A page of secrets that an older master key sealed, for the rotation.
-- $1 prefix of what the current key seals, text, $2 rows at most, integer. Secrets are few: a scan is fine.
SELECT workspace_id, connection_id, name, ciphertext
FROM crmd.connection_secret
WHERE NOT starts_with(ciphertext, $1)
ORDER BY workspace_id, connection_id, name
LIMIT $2
