-- Events of a type, oldest first. $1 text: the type
SELECT id, type, workspace_id, aggregate_type, aggregate_id, data, metadata FROM crmd.event WHERE type = $1
ORDER BY emitted_at, id
