-- Daemons that start together declare one after the other: the second finds everything written.
-- $1 bigint: the key. A statement of its own, because the next one needs a snapshot that is younger than the lock.
SELECT pg_advisory_xact_lock($1)
