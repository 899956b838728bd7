-- What jobs wrote, in the order in which they did. No parameters.
SELECT w.*, extract(epoch FROM w.written_at)::float8 AS written_seconds FROM chaos.write w ORDER BY w.id
