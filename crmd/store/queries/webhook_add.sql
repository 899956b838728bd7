-- Keeps a new webhook, unless its workspace has as many as it may. Answers its id, or no row.
-- $1 uuid: workspace  $2 text: address  $3 text[]: event types  $4 text: description  $5 text: who makes it
-- $6 int: how many a workspace may have. Index: webhook_workspace.
WITH turn AS (
    SELECT pg_advisory_xact_lock(hashtextextended('crmd.webhook ' || $1::uuid::text, 0))
)
INSERT INTO crmd.webhook (workspace_id, url, event_types, description, created_by)
SELECT $1, $2, $3, $4, $5 FROM turn
WHERE (SELECT count(*) FROM crmd.webhook w WHERE w.workspace_id = $1) < $6
RETURNING id
