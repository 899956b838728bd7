-- Makes schedules, or changes those of the same names. See crmd.schedule_many.
-- $1 text: a JSON array of rows of crmd.schedule; as text, since callers' connections read jsonb each in their way
-- Index: schedule_pkey.
SELECT s.id FROM crmd.schedule_many($1::text::jsonb) AS s(id)
