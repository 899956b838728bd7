-- Locks the limits that bind these lanes until the transaction ends, as a claim of jobs with keys does.
-- $1 text[]: lanes. A statement of its own, because the next one needs a snapshot that is younger than the lock.
SELECT crmd.lock_limits(crmd.limits_of($1))
