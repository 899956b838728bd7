-- Makes room for a new secret: the current one goes on for a while, those whose while is over are forgotten.
-- $1 uuid: workspace  $2 uuid: webhook  $3 float8: seconds. Index: webhook_secret_webhook.
WITH gone AS (
    DELETE FROM crmd.webhook_secret WHERE workspace_id = $1 AND webhook_id = $2 AND expires_at <= crmd.clock()
)
UPDATE crmd.webhook_secret SET expires_at = crmd.clock() + make_interval(secs => $3)
WHERE workspace_id = $1 AND webhook_id = $2 AND expires_at IS NULL
