-- Forgets the logs of jobs that retention has dropped, a bounded number of rows; answers how many.
-- Ids sort by time, so they lie before one bound; unfinished jobs are spared.
-- $1 int: days  $2 int: rows at most. Index: job_log_pkey.
WITH bound AS (
    SELECT crmd.oldest_id($1) AS id
), swept AS (
    DELETE FROM crmd.job_log WHERE (job_id, id) IN (
        SELECT l.job_id, l.id FROM crmd.job_log l, bound b
        WHERE l.job_id < b.id AND NOT EXISTS (SELECT FROM crmd.job j WHERE j.id = l.job_id)
          AND NOT EXISTS (SELECT FROM crmd.lease e WHERE e.id = l.job_id) LIMIT $2)
    RETURNING 1
), redriven AS (
    DELETE FROM crmd.redrive WHERE job_id IN (
        SELECT r.job_id FROM crmd.redrive r, bound b WHERE r.job_id < b.id AND NOT EXISTS (
            SELECT FROM crmd.archive a WHERE a.id = r.job_id) LIMIT $2)
)
SELECT count(*)::integer FROM swept
