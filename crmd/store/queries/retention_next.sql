-- The next hour of finished jobs whose payloads or results are to be let go; no row: nothing is old enough yet.
-- A class that was never gone over begins with the oldest day that the archive keeps.
-- $1 text: class (payload, result)  $2 int: days it is kept  $3 int: days that the archive is kept. Index: retention_pkey.
SELECT s.begins_at, s.begins_at + interval '1 hour' AS ends_at FROM (
    SELECT coalesce((SELECT done_before FROM crmd.retention WHERE class = $1),
        date_trunc('day', (SELECT crmd.clock()) - make_interval(days => $3 + 1))) AS begins_at) s
WHERE s.begins_at + interval '1 hour' <= (SELECT crmd.clock()) - make_interval(days => $2)
