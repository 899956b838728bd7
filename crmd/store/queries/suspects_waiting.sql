-- Which suspects are due: jobs that ran when a daemon died, and run alone until they have come through once.
-- $1 int: how many at most  $2 text[]: names of the job types that this daemon knows  $3 text[]: its queues
-- Index: job_suspect (rank_at, id).
SELECT id, lane FROM crmd.job
WHERE held = 'suspect' AND run_at <= (SELECT crmd.clock()) AND type = ANY ($2) AND queue = ANY ($3)
ORDER BY rank_at, id LIMIT $1
