-- Proves that a claim is the current one and locks it until the transaction ends, so that whatever the transaction
-- writes was written by the holder of the lease. NULL: the lease is lost.
-- $1 uuid: id  $2 bigint: fence  $3 uuid: claim id. Index: lease_pkey.
SELECT crmd.hold_lease($1, $2, $3)
