-- Notes which workspaces a generation has rows of. $1 text: name  $2 int: generation  $3 uuid[]: workspaces.
-- Index: projection_workspace_pkey.
INSERT INTO crmd.projection_workspace AS w (name, generation, workspace_id)
SELECT $1, $2, unnest($3::uuid[]) ON CONFLICT DO NOTHING
