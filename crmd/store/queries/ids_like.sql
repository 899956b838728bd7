-- Whole ids of jobs whose id begins as an operator typed it; two are enough to know that it is ambiguous.
-- $1 uuid, $2 uuid: the first and the last id that begins so
-- Index: job_pkey, lease_pkey, archive_pkey.
SELECT id FROM crmd.jobs WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT 2
