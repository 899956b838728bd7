-- Removes a generation of this workspace's statistics with what they are made of. $1 integer: generation.
-- Index: touch_pkey, same_person_pkey, stats_fold_pkey.
WITH touches AS (
    DELETE FROM contacts.touch WHERE workspace_id = crmd.workspace_id() AND generation = $1
), merges AS (
    DELETE FROM contacts.same_person WHERE workspace_id = crmd.workspace_id() AND generation = $1
)
DELETE FROM contacts.stats_fold WHERE workspace_id = crmd.workspace_id() AND generation = $1
