-- Which lanes of a queue have work that is due, beginning after the lane that had the last turn: a loose index scan
-- that hops from lane to lane, so that a lane with a million jobs costs as much as one with a single job.
-- $1 text: queue  $2 text: the lane that had the last turn ('' to begin anew)  $3 int: how many lanes to visit at most
-- Index: job_lane (queue, lane, rank_at, id).
WITH RECURSIVE hop AS (
    (SELECT j.lane, j.rank_at, j.run_at, 1 AS visited FROM crmd.job j
     WHERE j.queue = $1 AND j.lane > $2 AND j.lane IS NOT NULL AND j.held IS NULL
     ORDER BY j.lane, j.rank_at, j.id LIMIT 1)
    UNION ALL
    SELECT n.lane, n.rank_at, n.run_at, h.visited + 1 FROM hop h CROSS JOIN LATERAL (
        SELECT j.lane, j.rank_at, j.run_at FROM crmd.job j
        WHERE j.queue = $1 AND j.lane > h.lane AND j.lane IS NOT NULL AND j.held IS NULL
        ORDER BY j.lane, j.rank_at, j.id LIMIT 1) n
    WHERE h.visited < $3
)
SELECT lane, rank_at <= (SELECT crmd.clock()) AS is_due, run_at FROM hop
