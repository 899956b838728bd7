-- What a job's page shows beside what GET of it answers: it is asked for behind a look at the job itself.
-- $1 uuid: job. Index: job_pkey, lease_pkey, archive_pkey, family_pkey, redrive_pkey.
SELECT j.errors, j.attempt, j.crash_count, j.snooze_count, j.expires_at, j.waits_for,
    j.meta ->> 'correlationId' AS correlation_id, j.meta ->> 'causationId' AS causation_id,
    j.meta ->> 'retriedFrom' AS retried_from, r.new_job_id AS retried_to,
    CASE WHEN f.parent_id IS NOT NULL AND j.held IS DISTINCT FROM 'after' THEN jsonb_build_object(
        'total', f.total, 'pending', f.pending, 'completed', f.completed, 'failed', f.failed,
        'cancelled', f.cancelled, 'dead', f.dead) END AS children
FROM crmd.jobs j
LEFT JOIN crmd.family f ON f.parent_id = j.id
LEFT JOIN crmd.redrive r ON r.job_id = j.id
WHERE j.id = $1
