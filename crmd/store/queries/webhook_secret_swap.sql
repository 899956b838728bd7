-- Replaces a sealed text by the same secret under the current key. $1 uuid: secret  $2 text: before  $3 text: after
-- Index: webhook_secret_pkey.
UPDATE crmd.webhook_secret SET ciphertext = $3 WHERE id = $1 AND ciphertext = $2
