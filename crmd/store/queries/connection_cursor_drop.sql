-- Forgets a cursor that the provider no longer accepts, only while it still is the one the caller saw.
-- $1 connection uuid, $2 name text, $3 expected value jsonb as text. Uses cursor_row.
DELETE FROM crmd.cursor
WHERE connection_id = $1 AND name = $2 AND value = $3::text::jsonb
RETURNING true AS is_dropped
