-- Ends the turn taken by migration_lock.
-- $1 bigint: the key
SELECT pg_advisory_unlock($1)
