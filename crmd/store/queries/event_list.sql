-- Events, newest first, a page at a time.
-- $1 text[]: types, contact.* and * included; NULL all  $2 uuid: workspace  $3 uuid: user  $4 text: aggregate type
-- $5 text: aggregate id  $6 timestamptz: since  $7 timestamptz: before  $8 uuid: the page before this event, NULL
-- the newest  $9 int: how many. Index: event_pkey backwards, or event_workspace for one workspace.
SELECT e.seq, e.id, e.emitted_at, e.type, e.version, e.workspace_id, e.user_id, e.aggregate_type, e.aggregate_id, e.data,
    e.metadata
FROM crmd.event e
WHERE ($1::text[] IS NULL OR crmd.event_patterns(e.type) && $1)
  AND ($2::uuid IS NULL OR e.workspace_id = $2)
  AND ($3::uuid IS NULL OR e.user_id = $3)
  AND ($4::text IS NULL OR e.aggregate_type = $4)
  AND ($5::text IS NULL OR e.aggregate_id = $5)
  AND ($6::timestamptz IS NULL OR e.emitted_at >= $6)
  AND ($7::timestamptz IS NULL OR e.emitted_at < $7)
  AND ($8::uuid IS NULL OR e.id < $8)
ORDER BY e.id DESC LIMIT $9
