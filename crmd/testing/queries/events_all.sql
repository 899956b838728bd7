-- Every event, oldest first. No parameters.
SELECT type, data::text AS data FROM crmd.event ORDER BY emitted_at, id
