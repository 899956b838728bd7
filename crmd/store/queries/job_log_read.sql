-- What a job has logged, oldest first. $1 uuid: job  $2 bigint: after this row. Index: job_log_pkey.
SELECT id, attempt, lines FROM crmd.job_log WHERE job_id = $1 AND id > $2 ORDER BY id
