-- How far a sync has come; no row when it has not begun.
-- $1 connection uuid, $2 name text. Uses cursor_row; row-level security keeps a plugin to its workspace.
SELECT value::text AS value FROM crmd.cursor WHERE connection_id = $1 AND name = $2
