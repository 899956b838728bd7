-- Sends messages of a webhook again, oldest first, each with its old id: one, or those that have failed since an instant.
-- Answers their ids. $1 uuid: webhook  $2 uuid: workspace  $3 uuid: delivery, NULL those that failed  $4 timestamptz:
-- whose event was emitted since  $5 float8: how many a second  $6 int: how many at the most
-- Index: webhook_delivery_pkey, webhook_delivery_page, archive_pkey.
WITH found AS MATERIALIZED ( -- two who ask at once do not send twice
    SELECT d.id, d.event_id, d.event_type
    FROM crmd.webhook_delivery d LEFT JOIN crmd.archive a ON a.id = d.job_id AND d.status = 'pending'
    WHERE d.webhook_id = $1 AND d.workspace_id = $2
      AND CASE WHEN $3::uuid IS NOT NULL THEN d.id = $3 AND (d.status <> 'pending' OR a.id IS NOT NULL)
               ELSE (d.status = 'failed' OR a.status IN ('dead', 'failed', 'cancelled'))
                    AND ($4::timestamptz IS NULL OR d.emitted_at >= $4) END
    ORDER BY d.id LIMIT $6 FOR UPDATE OF d SKIP LOCKED
), chosen AS (
    SELECT f.id, f.event_id, f.event_type, row_number() OVER (ORDER BY f.id) AS place FROM found f
)
SELECT c.id, crmd.send_webhook(c.id, jsonb_build_object('event', c.event_type, 'causationId', c.event_id),
    CASE WHEN c.place > 1 THEN crmd.clock() + make_interval(secs => (c.place - 1) / $5::float8) END) AS job_id
FROM chosen c ORDER BY c.place
