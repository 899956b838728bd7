-- Jobs that a filter selects, oldest first, by keyset; a NULL filter lets all through.
-- $1 text[]: statuses  $2 text: type  $3 text: queue  $4 uuid: workspace  $5 uuid: user
-- $6 timestamptz, $7 timestamptz: created from and before  $8 text: class of the newest error  $9 text: cause
-- $10 text: not of this type  $11 uuid: after this id  $12 int: how many
-- Index: the primary keys.
SELECT id, status, type, workspace_id, created_at
FROM crmd.jobs
WHERE status = ANY ($1) AND ($2::text IS NULL OR type = $2) AND ($3::text IS NULL OR queue = $3)
  AND ($4::uuid IS NULL OR workspace_id = $4) AND ($5::uuid IS NULL OR user_id = $5)
  AND ($6::timestamptz IS NULL OR created_at >= $6) AND ($7::timestamptz IS NULL OR created_at < $7)
  AND ($8::text IS NULL OR errors -> -1 ->> 'class' = $8)
  AND ($9::text IS NULL OR crmd.fingerprint(type, errors) = $9) AND ($10::text IS NULL OR type <> $10) AND id > $11
ORDER BY id LIMIT $12
