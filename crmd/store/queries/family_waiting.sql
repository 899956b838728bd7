-- Which jobs of a family wait and are due: the root itself, given back after a try, and children of its members.
-- For `crmd run-once`, which runs its job's children too.
-- $1 uuid: the root  $2 uuid[]: members whose children count  $3 int: how many at most
-- Index: job_pkey and job_parent.
SELECT id, lane FROM crmd.job
WHERE (id = $1 OR parent_id = ANY ($2)) AND held IS NULL AND run_at <= (SELECT crmd.clock())
ORDER BY rank_at, id LIMIT $3
