-- Moves a cursor, only from the value that the caller started at; no row when somebody else moved it meanwhile.
-- Keeps to the transaction's workspace by itself, whatever role it runs as.
-- $1 connection uuid, $2 name text, $3 new value jsonb as text, $4 expected value jsonb as text (NULL: no cursor yet),
-- $5 job uuid or NULL, $6 fence bigint or NULL. Uses cursor_pkey and connection_workspace_id_id_key.
INSERT INTO crmd.cursor AS k (workspace_id, connection_id, name, value, job_id, fence, updated_at)
SELECT c.workspace_id, c.id, $2, $3::text::jsonb, $5, $6, (SELECT crmd.clock())
FROM crmd.connection AS c
WHERE c.workspace_id = (SELECT crmd.workspace_id()) AND c.id = $1
  AND ($4::text IS NULL OR EXISTS (
      SELECT FROM crmd.cursor AS old WHERE old.workspace_id = c.workspace_id AND old.connection_id = c.id
      AND old.name = $2))
ON CONFLICT (workspace_id, connection_id, name) DO UPDATE SET
    value = excluded.value, job_id = excluded.job_id, fence = excluded.fence, updated_at = excluded.updated_at
WHERE k.value = $4::text::jsonb
RETURNING true AS is_moved
