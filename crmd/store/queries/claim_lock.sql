-- One claimer of jobs with keys at a time, over all daemons: the count of running jobs and the take must not
-- interleave with another claimer's, or both would see the last free slot. Held until the claim commits (milliseconds).
-- $1 bigint: the key. A statement of its own, because the next one needs a snapshot that is younger than the lock.
SELECT pg_advisory_xact_lock($1)
