"""Has a table with a workspace_id that nothing guards."""
