-- Notes that a generation has no rows of a workspace any more. $1 text: name  $2 int: generation  $3 uuid: workspace.
-- Index: projection_workspace_pkey.
DELETE FROM crmd.projection_workspace w WHERE w.name = $1 AND w.generation = $2 AND w.workspace_id = $3
