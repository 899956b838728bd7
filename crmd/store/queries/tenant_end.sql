-- The last of a workspace: its gates, what was set for it live, and what its rows in the audit tell beyond who did what
-- when.
-- $1 uuid: workspace. Index: none needed; crmd.gate, crmd.tuning and crmd.audit are read whole.
WITH opened AS (
    DELETE FROM crmd.gate WHERE split_part(key, '/', 2) = $1::uuid::text
), untuned AS (
    DELETE FROM crmd.tuning WHERE split_part(key, '/', 2) = $1::uuid::text
)
UPDATE crmd.audit SET details = '{}' WHERE workspace_id = $1::uuid AND details <> '{}' AND outcome IS NOT NULL
