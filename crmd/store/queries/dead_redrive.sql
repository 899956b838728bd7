-- Sets ended jobs going again; see crmd.redrive_many. Answers the old and the new id of each that it redrove.
-- $1 uuid[]: jobs  $2 jsonb[]: their payloads, NULL: as it was  $3 bigint: how many were redriven before these
-- $4 float8: jobs due per second, NULL: all at once
SELECT job_id, new_job_id FROM crmd.redrive_many($1, $2, $3, $4)
