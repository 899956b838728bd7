-- What the demo has brought into the CRM so far.
-- $1 uuid: the demo's workspace. Index: the primary keys, which the workspace leads.
SELECT (SELECT count(*) FROM crm.message WHERE workspace_id = $1) AS messages,
    (SELECT count(*) FROM crm.thread WHERE workspace_id = $1) AS threads,
    (SELECT count(*) FROM crm.contact WHERE workspace_id = $1 AND merged_into IS NULL) AS contacts,
    (SELECT count(*) FROM crm.company WHERE workspace_id = $1) AS companies,
    (SELECT count(*) FROM crm.message WHERE workspace_id = $1 AND kind = 'bounce') AS bounces
