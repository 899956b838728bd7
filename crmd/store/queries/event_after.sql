-- Events behind a place in the order, oldest first, no further than is settled: for those who follow along.
-- $1 bigint: behind this seq  $2 bigint: up to this one  $3 text[]: types, NULL all  $4 uuid: workspace, NULL all
-- Index: event_order, by ranges of pages.
SELECT e.seq, e.id, e.emitted_at, e.type, e.version, e.workspace_id, e.user_id, e.aggregate_type, e.aggregate_id, e.data,
    e.metadata
FROM crmd.event e
WHERE e.seq > $1 AND e.seq <= $2 AND ($3::text[] IS NULL OR crmd.event_patterns(e.type) && $3)
  AND ($4::uuid IS NULL OR e.workspace_id = $4)
ORDER BY e.seq
