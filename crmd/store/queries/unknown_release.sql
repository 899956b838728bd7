-- Lets jobs go that nobody knew, as far as this daemon knows them; answers how many.
-- $1 text[]: names of job types  $2 int[]: the newest version of each one's payload  $3 int: how many at most
-- Index: job_unknown.
SELECT crmd.release_unknown($1, $2, $3)
