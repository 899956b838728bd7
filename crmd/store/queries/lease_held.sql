-- Proves that a claim is the current one and locks it until the transaction ends, so that whatever the transaction
-- writes was written by the holder of the lease. No row: the lease is lost.
-- $1 uuid: id  $2 bigint: fence  $3 uuid: claim id. Index: lease_pkey.
SELECT true FROM crmd.lease WHERE id = $1 AND fence = $2 AND claim_id = $3 FOR NO KEY UPDATE
