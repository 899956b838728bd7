-- How far a sync has come; no row when it has not begun.
-- $1 workspace uuid, $2 connection uuid, $3 name text. Uses cursor_pkey.
SELECT value::text AS value FROM crmd.cursor WHERE workspace_id = $1 AND connection_id = $2 AND name = $3
