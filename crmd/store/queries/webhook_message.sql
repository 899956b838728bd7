-- A message with all that is needed to send it: its webhook, its event, the job that the event tells of, and the sealed
-- secrets, newest first. $1 uuid: delivery. No row: there is no such webhook any more.
-- Index: webhook_delivery_pkey, webhook_pkey, event_pkey, webhook_secret_webhook, archive_pkey.
SELECT d.id, d.webhook_id, d.workspace_id, d.event_id, d.event_type, d.emitted_at, d.status, d.attempt_count,
    w.url, w.disabled_at IS NOT NULL AS is_disabled, w.disabled_reason,
    coalesce(w.accepted_at >= d.emitted_at, false) AS has_accepted_since,
    extract(epoch FROM crmd.clock())::bigint AS now,
    e.id IS NULL AS is_event_gone, e.data::text AS data, e.aggregate_type, e.aggregate_id, e.user_id,
    a.result::text AS result,
    ARRAY(SELECT s.id FROM crmd.webhook_secret s WHERE s.webhook_id = w.id
          AND (s.expires_at IS NULL OR s.expires_at > crmd.clock()) ORDER BY s.expires_at DESC NULLS FIRST LIMIT 5) AS secret_ids,
    ARRAY(SELECT s.ciphertext FROM crmd.webhook_secret s WHERE s.webhook_id = w.id
          AND (s.expires_at IS NULL OR s.expires_at > crmd.clock()) ORDER BY s.expires_at DESC NULLS FIRST LIMIT 5) AS sealed
FROM crmd.webhook_delivery d
JOIN crmd.webhook w ON w.id = d.webhook_id
LEFT JOIN crmd.event e ON e.id = d.event_id AND e.emitted_at = d.emitted_at
LEFT JOIN crmd.archive a ON a.workspace_id = d.workspace_id
    AND a.id = CASE WHEN e.type LIKE 'job.%' AND e.aggregate_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
               THEN e.aggregate_id::uuid END
WHERE d.id = $1
