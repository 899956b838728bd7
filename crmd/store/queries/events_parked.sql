-- Events at which a handler keeps failing: the newest job for one is dead or failed. Newest first.
-- $1 text: handler, NULL all  $2 int: how many. Index: archive_trouble backwards, delivery_pkey, redrive_pkey.
SELECT d.handler, d.event_id, d.emitted_at, d.seq, d.aggregate, a.meta ->> 'event' AS type, a.workspace_id,
    a.id AS job_id, a.finished_at AS parked_at, a.status, a.attempt, a.errors -> -1 ->> 'message' AS message
FROM crmd.archive a JOIN crmd.delivery d
    ON d.handler = a.type AND d.event_id = (a.payload ->> 'id')::uuid AND crmd.newest_job(d.job_id) = a.id
    AND d.emitted_at = (a.payload ->> 'emittedAt')::timestamptz
WHERE a.status IN ('dead', 'failed') AND ($1::text IS NULL OR a.type = $1)
  AND a.type IN (SELECT t.job_type FROM crmd.trigger t WHERE t.gives = 'event')
ORDER BY a.finished_at DESC LIMIT $2
