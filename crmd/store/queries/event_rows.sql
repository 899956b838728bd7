-- Events by id, in the order of their emission, for handlers that run in the emitting transaction.
-- $1 uuid[]: ids. Index: event_pkey; those of older days are looked for in vain, since they are new.
SELECT e.id, e.seq, e.type, e.version, e.emitted_at, e.workspace_id, e.user_id, e.aggregate_type, e.aggregate_id, e.data,
    e.metadata
FROM crmd.event e
WHERE e.id = ANY ($1) AND e.emitted_at >= (SELECT crmd.clock()) - interval '1 day' ORDER BY e.seq
