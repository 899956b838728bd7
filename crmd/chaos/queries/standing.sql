-- How far the run is. No parameters; the archive is counted by its index.
SELECT (SELECT count(*) FROM crmd.job) AS waiting, (SELECT count(*) FROM crmd.lease) AS running,
       (SELECT count(*) FROM crmd.archive) AS ended
