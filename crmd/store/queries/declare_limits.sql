-- Writes the limits of keys; a key without a limit is a gate only and has no row.
-- $1 jsonb: rows {name, max, is_local}
INSERT INTO crmd.concurrency AS c (name, max, is_local)
SELECT DISTINCT ON (w.name) w.name, w.max, w.is_local
FROM jsonb_to_recordset($1) AS w(name text, max integer, is_local boolean)
WHERE w.max IS NOT NULL ORDER BY w.name, w.max
ON CONFLICT (name) DO UPDATE SET max = excluded.max, is_local = excluded.is_local
