-- Which lanes of a queue have waiting work, beginning behind a lane: a loose index scan that hops from lane to lane, so
-- that a lane with a million jobs costs as much as one with a single job. Answers each lane with its first job.
-- $1 text: queue  $2 text: the lane behind which to begin ('' for the first)  $3 int: how many lanes to visit at most
-- Index: job_lane (queue, lane, rank_at, id).
WITH RECURSIVE hop AS (
    (SELECT j.lane, j.rank_at, j.run_at, j.type, j.workspace_id, 1 AS visited FROM crmd.job j
     WHERE j.queue = $1 AND j.lane > $2 AND j.lane IS NOT NULL AND j.held IS NULL
     ORDER BY j.lane, j.rank_at, j.id LIMIT 1)
    UNION ALL
    SELECT n.lane, n.rank_at, n.run_at, n.type, n.workspace_id, h.visited + 1 FROM hop h CROSS JOIN LATERAL (
        SELECT j.lane, j.rank_at, j.run_at, j.type, j.workspace_id FROM crmd.job j
        WHERE j.queue = $1 AND j.lane > h.lane AND j.lane IS NOT NULL AND j.held IS NULL
        ORDER BY j.lane, j.rank_at, j.id LIMIT 1) n
    WHERE h.visited < $3
)
SELECT lane, type, workspace_id, rank_at <= (SELECT crmd.clock()) AS is_due,
    CASE WHEN isfinite(run_at) THEN extract(epoch FROM run_at - (SELECT crmd.clock()))::float8 ELSE 'infinity' END
        AS wait_seconds -- a job that waits for an event may wait for ever
FROM hop
