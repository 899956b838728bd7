-- Keeps what a step came to, under the job's token; no row: the lease is lost. A job that has come further is no poison:
-- only the present claim counts as a possible crash. A second write ends a gather, whose children are known by the first.
-- $1 uuid: job id  $2 bigint: fence  $3 uuid: claim id  $4 text: name  $5 int: position, or NULL  $6 text: kind
-- $7 text: the result, as JSON  $8 float8: seconds since it began  $9 bool: whether it is finished
-- Index: lease_pkey, step_pkey.
WITH held AS (
    UPDATE crmd.lease SET crash_count = 1 WHERE id = $1 AND fence = $2 AND claim_id = $3 RETURNING id, fence
)
INSERT INTO crmd.step AS s (job_id, name, position, kind, result, fence, started_at, finished_at)
SELECT h.id, $4, $5, $6, $7::text::jsonb, h.fence, n.clock - make_interval(secs => $8), CASE WHEN $9 THEN n.clock END
FROM held h, (SELECT crmd.clock() AS clock) n
ON CONFLICT (job_id, name) DO UPDATE SET result = excluded.result, finished_at = excluded.finished_at
RETURNING true
