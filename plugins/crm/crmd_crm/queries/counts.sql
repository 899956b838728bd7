-- How much the workspace holds, for the demo and for people who look.
-- No parameters. Relies on row-level security's workspace and the primary keys.
SELECT (SELECT count(*) FROM crm.message WHERE workspace_id = crmd.workspace_id()) AS messages,
       (SELECT count(*) FROM crm.thread WHERE workspace_id = crmd.workspace_id()) AS threads,
       (SELECT count(*) FROM crm.contact WHERE workspace_id = crmd.workspace_id() AND merged_into IS NULL) AS contacts,
       (SELECT count(*) FROM crm.company WHERE workspace_id = crmd.workspace_id()) AS companies,
       (SELECT count(*) FROM crm.quarantine WHERE workspace_id = crmd.workspace_id()) AS quarantined
