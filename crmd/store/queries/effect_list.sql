-- Effects, newest first; those that are unknown with the seconds since they were handed over.
-- $1 text[]: states or NULL  $2 text: kind or NULL  $3 uuid: workspace or NULL  $4 uuid: before this id or NULL
-- $5 int: how many  $6 uuid, $7 uuid: first and last id, or NULL. Index: effect_pkey; effect_open for the unknown ones.
SELECT e.id, e.state, e.kind, e.key, e.workspace_id, e.job_id, e.job_type, e.handovers, e.reason, e.receipt, e.waiting,
    e.planned_at, e.handed_over_at, e.changed_at,
    extract(epoch FROM (SELECT crmd.clock()) - coalesce(e.handed_over_at, e.planned_at))::bigint AS age_seconds
FROM crmd.effect e
WHERE ($1::text[] IS NULL OR e.state = ANY ($1)) AND ($2::text IS NULL OR e.kind = $2)
  AND ($3::uuid IS NULL OR e.workspace_id = $3) AND ($4::uuid IS NULL OR e.id < $4)
  AND ($6::uuid IS NULL OR e.id BETWEEN $6 AND $7)
ORDER BY e.id DESC LIMIT $5
