-- Writes which events start which job types, for the given job types; those that were added at run time stay. A
-- trigger of a job type that is gone would make every emit fail, so it goes with it.
-- $1 text[]: job types  $2 jsonb: rows of crmd.trigger
WITH wanted AS (
    SELECT w.* FROM jsonb_to_recordset($2) AS w(event_type text, job_type text, fields text[],
        delay_seconds double precision, gives text, is_ordered boolean, condition text, priority text, dedup text[],
        max_delay_seconds double precision)
), removed AS (
    DELETE FROM crmd.trigger t
    WHERE t.job_type = ANY ($1) AND t.origin = 'plugin'
      AND NOT EXISTS (SELECT FROM wanted w WHERE w.event_type = t.event_type AND w.job_type = t.job_type)
       OR NOT EXISTS (SELECT FROM crmd.job_type j WHERE j.name = t.job_type)
)
INSERT INTO crmd.trigger AS t (event_type, job_type, fields, delay_seconds, origin, gives, is_ordered, condition,
    priority, dedup, max_delay_seconds)
SELECT event_type, job_type, fields, delay_seconds, 'plugin', gives, is_ordered,
    crmd.check_condition(condition::jsonpath), priority, dedup, max_delay_seconds FROM wanted
ON CONFLICT (event_type, job_type) DO UPDATE SET fields = excluded.fields, delay_seconds = excluded.delay_seconds,
    origin = excluded.origin, gives = excluded.gives, is_ordered = excluded.is_ordered, condition = excluded.condition,
    priority = excluded.priority, dedup = excluded.dedup,
    max_delay_seconds = excluded.max_delay_seconds
