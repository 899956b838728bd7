-- Writes which events start which job types, for the given job types.
-- $1 text[]: job types  $2 jsonb: rows of crmd.trigger
WITH wanted AS (
    SELECT w.* FROM jsonb_populate_recordset(NULL::crmd.trigger, $2) w
), removed AS (
    DELETE FROM crmd.trigger t WHERE t.job_type = ANY ($1)
      AND NOT EXISTS (SELECT FROM wanted w WHERE w.event_type = t.event_type AND w.job_type = t.job_type)
)
INSERT INTO crmd.trigger AS t (event_type, job_type, fields, delay_seconds)
SELECT event_type, job_type, fields, delay_seconds FROM wanted
ON CONFLICT (event_type, job_type) DO UPDATE SET fields = excluded.fields, delay_seconds = excluded.delay_seconds
