-- Lets a webhook be told again. Answers its id, or no row: it is enabled. $1 uuid: webhook  $2 uuid: workspace
-- Index: webhook_pkey.
UPDATE crmd.webhook w SET disabled_at = NULL, disabled_reason = NULL
WHERE w.id = $1 AND w.workspace_id = $2 AND w.disabled_at IS NOT NULL
RETURNING w.id
