-- How long a queue has nothing for a daemon without work: seconds until its next job that needs no key is due, as far as
-- the next poll is concerned (NULL: nothing soon), and whether there are lanes; the rounds through these tell more.
-- $1 text: queue  $2 float8: how far to look, seconds  $3 text[]: job types that rest. Index: job_ready, job_lane.
SELECT (SELECT extract(epoch FROM min(s.run_at) - (SELECT crmd.clock()))::float8 FROM (
        SELECT j.run_at FROM crmd.job j
        WHERE j.queue = $1 AND j.lane IS NULL AND j.held IS NULL AND j.type <> ALL ($3::text[])
          AND j.rank_at <= (SELECT crmd.clock()) + make_interval(secs => $2)
        ORDER BY j.rank_at, j.id LIMIT 100) s) AS due_seconds,
    EXISTS (SELECT FROM crmd.job j WHERE j.queue = $1 AND j.lane IS NOT NULL AND j.held IS NULL) AS has_lanes
