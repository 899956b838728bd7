-- Actions of operators, newest first, by keyset.
-- $1 text: actor, NULL: any  $2 text: action or its beginning, NULL: any  $3 text: target, NULL: any
-- $4 uuid: before this row, NULL: from the newest  $5 int: how many
-- Index: audit_pkey, from its end.
SELECT id, at, actor, action, target, workspace_id, details, outcome, ended_at FROM crmd.audit
WHERE ($1::text IS NULL OR actor = $1) AND ($2::text IS NULL OR starts_with(action, $2))
  AND ($3::text IS NULL OR target = $3) AND ($4::uuid IS NULL OR id < $4)
ORDER BY id DESC LIMIT $5
