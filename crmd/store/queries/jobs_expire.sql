-- Ends jobs that have not started in time; answers how many. $1 int: how many at most. Index: job_expires.
SELECT crmd.expire($1)
