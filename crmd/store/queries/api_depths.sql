-- How many jobs were due or running, the most in each bucket. $1 float8: seconds of a bucket  $2 float8: seconds back
-- Index: depth_minute_pkey.
SELECT date_bin(make_interval(secs => $1), d.at, '2000-01-01Z') AS at, max(d.due + d.running)::bigint AS depth
FROM crmd.depth_minute d WHERE d.at >= (SELECT crmd.clock()) - make_interval(secs => $2) GROUP BY 1
