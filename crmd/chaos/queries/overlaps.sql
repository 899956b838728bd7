-- Jobs that are in two tables at once, by one snapshot. No parameters. Index: lease_pkey, job_pkey, archive_pkey.
SELECT l.id FROM crmd.lease l
WHERE EXISTS (SELECT FROM crmd.job j WHERE j.id = l.id) OR EXISTS (SELECT FROM crmd.archive a WHERE a.id = l.id)
