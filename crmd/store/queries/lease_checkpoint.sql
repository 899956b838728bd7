-- Keeps a job's checkpoint under its token; a later claim of the job starts from it. No row: the lease is lost.
-- $1 uuid: id  $2 bigint: fence  $3 uuid: claim id  $4 jsonb: the checkpoint. Index: lease_pkey.
UPDATE crmd.lease SET checkpoint = $4 WHERE id = $1 AND fence = $2 AND claim_id = $3 RETURNING true
