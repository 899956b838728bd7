-- Writes the limits of keys. A key without a limit is a gate only and has no row; it loses the one that it had.
-- $1 jsonb: rows {name, max, is_local, floor}
WITH wanted AS (
    SELECT w.* FROM jsonb_to_recordset($1) AS w(name text, max integer, is_local boolean, floor integer)
), removed AS (
    DELETE FROM crmd.concurrency c USING wanted w WHERE c.name = w.name AND w.max IS NULL
)
INSERT INTO crmd.concurrency AS c (name, max, is_local, floor)
SELECT DISTINCT ON (w.name) w.name, w.max, w.is_local, w.floor
FROM wanted w WHERE w.max IS NOT NULL ORDER BY w.name, w.max
ON CONFLICT (name) DO UPDATE SET max = excluded.max, is_local = excluded.is_local, floor = excluded.floor
