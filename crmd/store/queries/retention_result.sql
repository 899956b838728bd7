-- Lets the results and checkpoints of jobs that finished in a span go. $1 timestamptz, $2 timestamptz: from, before
-- Reads one or two partitions of the archive.
UPDATE crmd.archive SET result = NULL, checkpoint = NULL
WHERE finished_at >= $1 AND finished_at < $2 AND (result IS NOT NULL OR checkpoint IS NOT NULL)
