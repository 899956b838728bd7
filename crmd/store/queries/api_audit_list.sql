-- What was done in a workspace, newest first, by keyset.
-- $1 uuid: workspace  $2 text: action or its beginning, NULL: any  $3 text: target, NULL: any
-- $4 uuid: before this entry, NULL: from the newest  $5 int: how many. Index: audit_workspace, from its end.
SELECT id, at, actor, action, target, details, outcome, ended_at FROM crmd.audit
WHERE workspace_id = $1 AND ($2::text IS NULL OR starts_with(action, $2)) AND ($3::text IS NULL OR target = $3)
  AND ($4::uuid IS NULL OR id < $4)
ORDER BY id DESC LIMIT $5
