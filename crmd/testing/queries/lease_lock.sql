-- Holds the lease of a job, so that whoever wants to write for it waits, as in a database that stands still.
-- $1 uuid: the job
SELECT id FROM crmd.lease WHERE id = $1 FOR UPDATE
