-- Workspaces of which a generation still has rows. $1 text: name  $2 int: generation  $3 int: how many.
-- Index: projection_workspace_pkey.
SELECT w.workspace_id FROM crmd.projection_workspace w WHERE w.name = $1 AND w.generation = $2 LIMIT $3
