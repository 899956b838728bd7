-- Stops a webhook and tells its workspace; see crmd.disable_webhook. $1 uuid: webhook  $2 text: why. Index: webhook_pkey.
SELECT crmd.disable_webhook($1, $2)
