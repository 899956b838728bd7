-- A job's steps as people look at them, in the order in which they began.
-- $1 uuid: job id. Index: step_pkey.
SELECT s.name, s.kind, s.started_at, s.finished_at, s.fence, pg_column_size(s.result) AS result_bytes
FROM crmd.step s WHERE s.job_id = $1 ORDER BY s.started_at, s.position, s.name
