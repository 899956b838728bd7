-- The workspaces that have events of some types in a range of the order.
-- $1 bigint: behind this seq  $2 bigint: up to this one  $3 text[]: types, contact.* and * included. Index: event_order.
SELECT DISTINCT e.workspace_id FROM crmd.event e
WHERE e.seq > $1 AND e.seq <= $2 AND e.workspace_id IS NOT NULL
  AND (e.type = ANY ($3) OR crmd.event_patterns(e.type) && $3)
