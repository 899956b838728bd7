-- One event. $1 uuid: id. Index: event_pkey.
SELECT e.id, e.seq, e.type, e.version, e.emitted_at, e.workspace_id, e.user_id, e.aggregate_type, e.aggregate_id, e.data,
    e.metadata
FROM crmd.event e WHERE e.id = $1
