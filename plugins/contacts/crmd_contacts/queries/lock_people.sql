-- One writer of a workspace's people at a time, until the transaction ends: two jobs that meet the same person must see
-- each other's rows before they decide whether to create or merge. No parameters, no index.
SELECT pg_advisory_xact_lock(hashtextextended('crmd-contacts ' || crmd.workspace_id()::text, 0));
