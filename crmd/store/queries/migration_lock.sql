-- Lets one daemon at a time migrate, until the transaction ends.
-- $1 bigint: the key
SELECT pg_advisory_xact_lock($1)
