-- How children stand. Those that a job started ended after it began; of one that is not kept any more there is no row.
-- $1 uuid[]: ids  $2 timestamptz: when the oldest of them can have ended. Index: job_pkey, lease_pkey, archive_pkey.
SELECT j.id, j.status, j.finished_at IS NOT NULL AS is_over, j.result::text AS result,
    j.errors -> -1 ->> 'message' AS error
FROM crmd.jobs j WHERE j.id = ANY ($1) AND (j.finished_at IS NULL OR j.finished_at >= $2)
