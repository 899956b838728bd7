-- One event of a workspace. $1 uuid: event  $2 uuid: workspace. Index: event_pkey.
SELECT e.seq, e.id, e.emitted_at, e.type, e.version, e.workspace_id, e.user_id, e.aggregate_type, e.aggregate_id, e.data,
    e.metadata
FROM crmd.event e WHERE e.id = $1 AND e.workspace_id = $2
