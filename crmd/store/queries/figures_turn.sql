-- Whether it is this daemon's turn to gather: nobody else does so now. Until the end of the transaction.
-- $1 bigint: key of the lock.
SELECT pg_try_advisory_xact_lock($1)
