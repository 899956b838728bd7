-- Seconds until the next job that needs no key is due, as far as the next poll is concerned; NULL: nothing soon. The
-- rounds through the lanes tell the same of jobs with keys.
-- $1 text: queue  $2 float8: how far to look, seconds. Index: job_ready.
SELECT extract(epoch FROM min(s.run_at) - (SELECT crmd.clock()))::float8 FROM (
    SELECT j.run_at FROM crmd.job j
    WHERE j.queue = $1 AND j.lane IS NULL AND j.held IS NULL
      AND j.rank_at <= (SELECT crmd.clock()) + make_interval(secs => $2)
    ORDER BY j.rank_at, j.id LIMIT 100) s
