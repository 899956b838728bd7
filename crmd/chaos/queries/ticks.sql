-- Every slot of a schedule that was booked. No parameters.
SELECT schedule_id, extract(epoch FROM due_at)::float8 AS due_seconds, job_id FROM crmd.tick ORDER BY due_at
