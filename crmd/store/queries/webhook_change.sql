-- Changes what is given of a webhook. Answers its id, or no row.
-- $1 uuid: webhook  $2 uuid: workspace  $3 text: address  $4 text[]: event types  $5 text: description; NULL: as it is
-- Index: webhook_pkey.
UPDATE crmd.webhook w
SET url = coalesce($3, w.url), event_types = coalesce($4, w.event_types), description = coalesce($5, w.description)
WHERE w.id = $1 AND w.workspace_id = $2
RETURNING w.id
