-- Lets others store into a mailbox at the same time, but nobody delete or relabel, until the transaction ends.
-- $1 uuid: connection. Relies on no index: an advisory lock.
SELECT pg_advisory_xact_lock_shared(hashtextextended('crmd-gmail/' || $1::uuid::text, 0))
