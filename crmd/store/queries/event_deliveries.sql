-- To whom an event was handed, and how the newest job for it stands. $1 uuid: event. Index: delivery_pkey, one handler
-- after the other; job_pkey, lease_pkey, archive_pkey.
SELECT d.handler, coalesce(j.id, d.job_id) AS job_id, j.status, j.attempt, j.errors -> -1 ->> 'message' AS message
FROM crmd.delivery d LEFT JOIN LATERAL (SELECT * FROM crmd.jobs j WHERE j.id = crmd.newest_job(d.job_id)) j ON true
WHERE d.event_id = $1 AND d.handler IN (SELECT t.job_type FROM crmd.trigger t) ORDER BY d.handler
