-- Which lanes of a queue have critical work, beginning behind a lane: it need not wait for a round through all lanes.
-- Due is a lane whose first job is critical: behind an older backlog of its own lane critical work waits for that.
-- $1 text: queue  $2 text: the lane behind which to begin ('' for the first)  $3 int: how many lanes to visit at most
-- Index: job_lane_critical (queue, lane, rank_at, id), then job_lane for the lane's first job.
WITH RECURSIVE hop AS (
    (SELECT j.lane, 1 AS visited FROM crmd.job j
     WHERE j.queue = $1 AND j.lane > $2 AND j.lane IS NOT NULL AND j.held IS NULL AND j.priority = 'critical'
     ORDER BY j.lane, j.rank_at, j.id LIMIT 1)
    UNION ALL
    SELECT n.lane, h.visited + 1 FROM hop h CROSS JOIN LATERAL (
        SELECT j.lane FROM crmd.job j
        WHERE j.queue = $1 AND j.lane > h.lane AND j.lane IS NOT NULL AND j.held IS NULL AND j.priority = 'critical'
        ORDER BY j.lane, j.rank_at, j.id LIMIT 1) n
    WHERE h.visited < $3
)
SELECT h.lane, f.type, f.workspace_id, f.priority = 'critical' AND f.rank_at <= (SELECT crmd.clock()) AS is_due
FROM hop h CROSS JOIN LATERAL (
    SELECT j.type, j.workspace_id, j.priority, j.rank_at FROM crmd.job j
    WHERE j.queue = $1 AND j.lane = h.lane AND j.lane IS NOT NULL AND j.held IS NULL
    ORDER BY j.rank_at, j.id LIMIT 1) f
