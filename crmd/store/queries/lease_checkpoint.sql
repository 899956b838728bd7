-- Keeps a job's checkpoint under its token; a later claim of the job starts from it. No row: the lease is lost.
-- A job that has come further is no poison: with a new checkpoint only the present claim counts as a possible crash.
-- $1 uuid: id  $2 bigint: fence  $3 uuid: claim id  $4 jsonb: the checkpoint. Index: lease_pkey.
UPDATE crmd.lease
SET checkpoint = $4, crash_count = CASE WHEN checkpoint IS DISTINCT FROM $4 THEN 1 ELSE crash_count END
WHERE id = $1 AND fence = $2 AND claim_id = $3
RETURNING true
