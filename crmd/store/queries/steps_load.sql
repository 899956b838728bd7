-- What a job has done in earlier attempts, for the one that goes on.
-- $1 uuid: job id. Index: step_pkey.
SELECT s.name, s.position, s.kind, s.result::text AS result,
    extract(epoch FROM s.finished_at - (SELECT crmd.clock()))::float8 AS seconds_left
FROM crmd.step s WHERE s.job_id = $1
