-- Messages to a webhook, newest first, a page at a time. One whose job has ended otherwise, as by an operator, is failed.
-- $1 uuid: webhook  $2 uuid: workspace, NULL any  $3 text: status, NULL any  $4 uuid: only this one, NULL all
-- $5 uuid: older than this, NULL the newest  $6 int: how many. Index: webhook_delivery_page, job_pkey, archive_pkey.
SELECT d.id, d.event_id, d.event_type, d.emitted_at, d.attempt_count, d.attempts, d.job_id, d.ended_at,
    CASE WHEN d.status = 'pending' AND a.status IN ('dead', 'failed', 'cancelled') THEN 'failed' ELSE d.status END AS status,
    CASE WHEN d.status = 'pending' THEN j.run_at END AS next_at
FROM crmd.webhook_delivery d
LEFT JOIN crmd.job j ON j.id = d.job_id AND d.status = 'pending'
LEFT JOIN crmd.archive a ON a.id = d.job_id AND d.status = 'pending'
WHERE d.webhook_id = $1 AND ($2::uuid IS NULL OR d.workspace_id = $2) AND ($4::uuid IS NULL OR d.id = $4)
  AND ($5::uuid IS NULL OR d.id < $5)
  AND ($3::text IS NULL OR $3 = CASE WHEN d.status = 'pending' AND a.status IN ('dead', 'failed', 'cancelled')
                                THEN 'failed' ELSE d.status END)
ORDER BY d.id DESC LIMIT $6
