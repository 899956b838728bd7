-- Forgets a webhook with its secrets and deliveries. Answers its id, or no row. $1 uuid: webhook  $2 uuid: workspace
-- Index: webhook_pkey; webhook_secret_webhook and webhook_delivery_page for what goes with it.
DELETE FROM crmd.webhook w WHERE w.id = $1 AND w.workspace_id = $2 RETURNING w.id
