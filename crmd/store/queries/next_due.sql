-- Seconds until the next job of an idle queue is due, as far as the next poll is concerned; NULL: nothing soon.
-- Counts what waits behind a limit or gate as due, so it answers at least the poll's shortest nap for those.
-- $1 text: queue  $2 float8: how far to look, seconds. Index: job_ready, job_lane.
SELECT extract(epoch FROM min(s.run_at) - (SELECT crmd.clock()))::float8 FROM (
    (SELECT j.run_at FROM crmd.job j
     WHERE j.queue = $1 AND j.lane IS NULL AND j.held IS NULL
       AND j.rank_at <= (SELECT crmd.clock()) + make_interval(secs => $2)
     ORDER BY j.rank_at, j.id LIMIT 100)
    UNION ALL
    (SELECT j.run_at FROM crmd.job j
     WHERE j.queue = $1 AND j.lane IS NOT NULL AND j.held IS NULL AND j.run_at > (SELECT crmd.clock())
       AND j.rank_at <= (SELECT crmd.clock()) + make_interval(secs => $2)
     LIMIT 100)) s
