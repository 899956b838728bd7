-- The workspace that this transaction works for, for row-level security; '' for none. $1 text: its id
SELECT set_config('crmd.workspace_id', $1, true)
