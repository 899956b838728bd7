-- How many jobs a filter selects, by type and status: what a bulk action would touch. Parameters as $1 to $10 of
-- bulk_page.sql. Reads what the filter leaves of the three tables.
SELECT type, status, count(*) AS jobs, min(created_at) AS oldest_at, max(created_at) AS newest_at
FROM crmd.jobs
WHERE status = ANY ($1) AND ($2::text IS NULL OR type = $2) AND ($3::text IS NULL OR queue = $3)
  AND ($4::uuid IS NULL OR workspace_id = $4) AND ($5::uuid IS NULL OR user_id = $5)
  AND ($6::timestamptz IS NULL OR created_at >= $6) AND ($7::timestamptz IS NULL OR created_at < $7)
  AND ($8::text IS NULL OR errors -> -1 ->> 'class' = $8)
  AND ($9::text IS NULL OR crmd.fingerprint(type, errors) = $9) AND ($10::text IS NULL OR type <> $10)
GROUP BY type, status ORDER BY jobs DESC, type, status
