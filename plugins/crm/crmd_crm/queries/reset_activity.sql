-- Removes a generation of this workspace's sums. $1 integer: generation. Index: user_activity_fold_pkey.
DELETE FROM crm.user_activity_fold WHERE workspace_id = crmd.workspace_id() AND generation = $1
