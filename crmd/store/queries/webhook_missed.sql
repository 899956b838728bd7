-- Writes down what a webhook was not told of since an instant, as while it was disabled: as messages that have failed, so
-- that webhook_replay.sql sends them. Nothing from before it was made.
-- $1 uuid: webhook  $2 uuid: workspace  $3 timestamptz: events emitted since  $4 int: how many at the most, oldest first
-- Index: webhook_pkey, event_workspace of the days since then, webhook_delivery_once.
INSERT INTO crmd.webhook_delivery (workspace_id, webhook_id, event_id, emitted_at, event_type, status, ended_at)
SELECT e.workspace_id, w.id, e.id, e.emitted_at, e.type, 'failed', crmd.clock()
FROM crmd.webhook w JOIN crmd.event e ON e.workspace_id = w.workspace_id
WHERE w.id = $1 AND w.workspace_id = $2 AND e.workspace_id = $2 AND e.emitted_at >= $3 AND e.emitted_at >= w.created_at
  AND w.event_types && crmd.event_patterns(e.type)
  -- as crmd.tell_webhooks leaves them out
  AND e.type <> 'webhook.test' AND NOT (e.type LIKE 'job.%' AND coalesce(e.data ->> 'type', '') = 'deliver-webhook')
  AND NOT EXISTS (SELECT FROM crmd.webhook_delivery d
                  WHERE d.workspace_id = $2 AND d.webhook_id = w.id AND d.event_id = e.id)
ORDER BY e.seq LIMIT $4
ON CONFLICT DO NOTHING
