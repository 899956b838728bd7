-- The next events of a replay, in order: those of a range of the order that fit the filter.
-- $1 .. $7: as in event_matches.sql  $8 bigint: behind this seq  $9 bigint: up to this one. Index: event_order.
SELECT e.id, e.seq FROM crmd.event e
WHERE e.seq > $8 AND e.seq <= $9 AND ($1::text[] IS NULL OR crmd.event_patterns(e.type) && $1)
  AND ($2::uuid IS NULL OR e.workspace_id = $2)
  AND ($3::uuid IS NULL OR e.user_id = $3)
  AND ($4::text IS NULL OR e.aggregate_type = $4)
  AND ($5::text IS NULL OR e.aggregate_id = $5)
  AND ($6::timestamptz IS NULL OR e.emitted_at >= $6)
  AND ($7::timestamptz IS NULL OR e.emitted_at < $7)
ORDER BY e.seq
