-- The last of a workspace: its gate, and what its rows in the audit tell beyond who did what when.
-- $1 uuid: workspace. Index: gate_pkey; crmd.audit is read whole.
WITH opened AS (
    DELETE FROM crmd.gate WHERE key = 'workspace/' || $1::uuid::text
)
UPDATE crmd.audit SET details = '{}' WHERE workspace_id = $1::uuid AND details <> '{}' AND outcome IS NOT NULL
