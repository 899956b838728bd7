-- Lets events start jobs from now on. See crmd.add_trigger.
-- $1 text: event type  $2 text: job type  $3 text: condition  $4 float8: delay in seconds  $5 text: priority
-- $6 text[]: fields of the data that make a key  $7 float8: how far further events may move the job
SELECT crmd.add_trigger($1, $2, $3::text::jsonpath, $4, $5, $6, $7)
