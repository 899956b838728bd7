-- Every job that has ended. No parameters.
SELECT a.id, a.type, a.status, a.fence, a.attempt, a.max_attempts, a.crash_count, a.parent_id, a.unique_key,
       a.payload ->> 'key' AS key, a.meta ->> 'scheduleId' AS schedule_id,
       extract(epoch FROM a.finished_at)::float8 AS finished_seconds
FROM crmd.archive a ORDER BY a.finished_at
