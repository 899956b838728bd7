-- From here on this transaction sees what one workspace owns. $1 text: its id  $2 bool: whether there is the role that
-- row-level security holds
SELECT set_config('crmd.workspace_id', $1, true), CASE WHEN $2 THEN set_config('role', 'crmd_api', true) END
