-- Adds jobs to an unfinished batch; see crmd.batch_add. $1 uuid: batch  $2 text: the jobs, as JSON
SELECT id FROM crmd.batch_add($1, $2::text::jsonb) AS id
