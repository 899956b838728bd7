-- How many events a filter fits, by type, and how many of them a handler has had already.
-- $1 text[]: types  $2 uuid: workspace  $3 uuid: user  $4 text: aggregate type  $5 text: aggregate id
-- $6 timestamptz: since  $7 timestamptz: before  $8 text: handler. Index: the days' partitions, delivery_pkey.
SELECT e.type, count(*) AS events, count(d.event_id) AS delivered, min(e.emitted_at) AS first_at,
    max(e.emitted_at) AS last_at, min(e.seq) AS first_seq, max(e.seq) AS last_seq
FROM crmd.event e LEFT JOIN crmd.delivery d
    ON d.handler = $8 AND d.event_id = e.id AND d.emitted_at = e.emitted_at
WHERE ($1::text[] IS NULL OR crmd.event_patterns(e.type) && $1)
  AND ($2::uuid IS NULL OR e.workspace_id = $2)
  AND ($3::uuid IS NULL OR e.user_id = $3)
  AND ($4::text IS NULL OR e.aggregate_type = $4)
  AND ($5::text IS NULL OR e.aggregate_id = $5)
  AND ($6::timestamptz IS NULL OR e.emitted_at >= $6)
  AND ($7::timestamptz IS NULL OR e.emitted_at < $7)
GROUP BY e.type ORDER BY e.type
