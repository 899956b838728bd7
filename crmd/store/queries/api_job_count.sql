-- How many jobs a list would hold, counted as far as $6. $1 uuid: workspace  $2 text[]: statuses  $3 text: type
-- $4 uuid: user  $5 uuid: parent  $6 int: as far as this. Index: as api_job_list.sql.
SELECT count(*) FROM (
    SELECT FROM crmd.jobs
    WHERE ($1::uuid IS NULL OR workspace_id = $1) AND ($2::text[] IS NULL OR status = ANY ($2))
      AND ($3::text IS NULL OR type = $3) AND ($4::uuid IS NULL OR user_id = $4)
      AND ($5::uuid IS NULL OR parent_id = $5) LIMIT $6) j
