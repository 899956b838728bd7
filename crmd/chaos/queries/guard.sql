-- Puts row-level security on the tables of the run, once. $1 uuid[]: the tenants.
SELECT chaos.guard($1)
