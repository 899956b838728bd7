-- How many jobs stand in which status, by type: all unfinished ones, and those that ended in the last day.
-- No parameters. Reads crmd.job and crmd.lease whole, and one or two partitions of the archive.
SELECT type, status, count(*) AS jobs
FROM crmd.jobs
WHERE finished_at IS NULL OR finished_at > (SELECT crmd.clock()) - interval '1 day'
GROUP BY type, status ORDER BY type, status
