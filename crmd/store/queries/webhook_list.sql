-- The webhooks of a workspace, oldest first. $1 uuid: workspace, NULL all  $2 uuid: only this one, NULL all
-- Index: webhook_workspace, webhook_pkey.
SELECT w.id, w.workspace_id, w.url, w.event_types, w.description, w.created_at, w.created_by, w.accepted_at, w.disabled_at,
    w.disabled_reason
FROM crmd.webhook w
WHERE ($1::uuid IS NULL OR w.workspace_id = $1) AND ($2::uuid IS NULL OR w.id = $2)
ORDER BY w.id
