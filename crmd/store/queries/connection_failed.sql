-- How the jobs of connections ended: what an operator sees beside each. The state does not change, and a connection that
-- waits for a consent keeps the reason for that. A row that a job's transaction holds is left alone, since nobody who
-- settles may wait for a plugin.
-- $1 uuid[]: workspaces  $2 uuid[]: connections  $3 text[]: reasons, NULL where it went well.
-- Uses connection_workspace_id_id_key and connection_pkey.
UPDATE crmd.connection c SET last_error = s.reason, updated_at = (SELECT crmd.clock())
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS s(workspace_id, id, reason)
WHERE c.workspace_id = s.workspace_id AND c.id = s.id AND c.state = 'active'
  AND c.last_error IS DISTINCT FROM s.reason
  AND c.id = ANY (ARRAY(SELECT e.id FROM crmd.connection e WHERE e.id = ANY ($2) FOR NO KEY UPDATE SKIP LOCKED))
