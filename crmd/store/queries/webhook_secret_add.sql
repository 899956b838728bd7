-- Keeps a sealed secret. $1 uuid: its id, which its seal names  $2 uuid: workspace  $3 uuid: webhook  $4 text: sealed
INSERT INTO crmd.webhook_secret (id, workspace_id, webhook_id, ciphertext) VALUES ($1, $2, $3, $4)
