-- How the demo's jobs stand. No parameters. Reads the small tables of a demo whole.
SELECT (SELECT count(*) FROM crmd.job WHERE held IS NULL) AS waiting,
    (SELECT count(*) FROM crmd.lease) AS running,
    (SELECT count(*) FROM crmd.archive WHERE status = 'completed') AS completed,
    (SELECT count(*) FROM crmd.archive WHERE status IN ('failed', 'dead')) AS failed,
    (SELECT count(*) FROM crmd.archive WHERE attempt > 1) AS retried,
    (SELECT count(*) FROM crmd.jobs WHERE type = 'sync-emails-initial' AND finished_at IS NULL) AS syncs
