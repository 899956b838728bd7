-- How many jobs a list would hold, counted as far as $8. $1 to $7: as in api_job_list.sql  $8 int: as far as this
-- $9 int: as $10 there. Index: as there.
SELECT count(*) FROM (SELECT FROM crmd.list_jobs($1, $2, $3, $4, $5, $6, $7, $8, $9) LIMIT $8) j
