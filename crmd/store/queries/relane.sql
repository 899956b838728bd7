-- Gives the next jobs of a type whose keys have changed the lane that they make; answers whether there are more.
-- $1 int: how many jobs to look at. Index: job_pkey.
SELECT crmd.relane($1)
