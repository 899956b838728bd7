-- When each daemon first said in the database that it was there. No parameters; a scan of what the run left.
SELECT b.pid, extract(epoch FROM min(b.born_at))::float8 AS born_seconds FROM chaos.birth b GROUP BY b.pid ORDER BY 2
