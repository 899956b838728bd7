-- Keeps everybody else from writing to a mailbox until the transaction ends: deletions and changes of labels are at work.
-- $1 uuid: connection. Relies on no index: an advisory lock.
SELECT pg_advisory_xact_lock(hashtextextended('crmd-gmail/' || $1::uuid::text, 0))
