-- Begins a sleep under the job's token and answers the seconds that are left; no row: the lease is lost.
-- $1 uuid: job id  $2 bigint: fence  $3 uuid: claim id  $4 text: name  $5 int: position, or NULL
-- $6 float8: seconds, or NULL  $7 timestamptz: until when, if the seconds are NULL
-- Index: lease_pkey, step_pkey.
WITH held AS (
    UPDATE crmd.lease SET crash_count = 1 WHERE id = $1 AND fence = $2 AND claim_id = $3 RETURNING id, fence
)
INSERT INTO crmd.step AS s (job_id, name, position, kind, fence, started_at, finished_at)
SELECT h.id, $4, $5, 'sleep', h.fence, n.clock, coalesce(n.clock + make_interval(secs => $6), $7)
FROM held h, (SELECT crmd.clock() AS clock) n
RETURNING extract(epoch FROM s.finished_at - s.started_at)::float8 AS seconds_left
