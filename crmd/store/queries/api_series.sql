-- Ended jobs over time, in buckets, by minutes. $1 float8: seconds of a bucket  $2 float8: seconds back
-- Index: ended_minute_pkey, and archive_finished for what ended a moment ago.
SELECT date_bin(make_interval(secs => $1), e.ended_at, '2000-01-01Z') AS at, e.measure, e.status, e.step,
    sum(e.jobs)::bigint AS jobs, sum(e.seconds)::float8 AS seconds
FROM crmd.ended_by_minute e
WHERE e.ended_at >= date_bin(make_interval(secs => $1), (SELECT crmd.clock()) - make_interval(secs => $2), '2000-01-01Z')
GROUP BY 1, 2, 3, 4
