-- Lets one daemon at a time migrate; a session lock, since each migration has a transaction of its own.
-- $1 bigint: the key
SELECT pg_advisory_lock($1)
