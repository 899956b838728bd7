-- One job, wherever it stands. $1 uuid: job id. Index: job_pkey, lease_pkey, archive_pkey.
SELECT j.*, CASE WHEN f.parent_id IS NOT NULL AND j.held IS DISTINCT FROM 'after' THEN jsonb_build_object(
        'total', f.total, 'pending', f.pending, 'completed', f.completed, 'failed', f.failed,
        'cancelled', f.cancelled, 'dead', f.dead) END AS children
FROM crmd.jobs j LEFT JOIN crmd.family f ON f.parent_id = j.id
WHERE j.id = $1
