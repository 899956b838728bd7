-- A page of secrets that an older master key sealed, for the rotation.
-- $1 text: how everything begins that the current key seals  $2 int: rows at most. Secrets are few: a scan is fine.
SELECT id, workspace_id, ciphertext FROM crmd.webhook_secret WHERE NOT starts_with(ciphertext, $1) ORDER BY id LIMIT $2
