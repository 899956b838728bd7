-- Which jobs of some workspaces have changed since an earlier look: each row tells by the transaction that wrote it, so
-- that nothing is missed that was committed late. `version` differs whenever the job's row does. The first row is the
-- look itself. Deliveries of webhooks are not among them. A job that fell due counts as changed. Of waiting jobs each workspace's newest $5 are looked at.
-- $1 uuid[]: workspaces  $2 text: the point (xid8) of the earlier look  $3 timestamptz: its instant
-- $4 timestamptz: of ended jobs those from then on  $5 int: how many waiting ones
-- Index: job_workspace, lease_workspace, archive_workspace_finished.
WITH look AS MATERIALIZED (
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS point, crmd.clock() AS clock
)
SELECT NULL::uuid AS id, NULL::bigint AS version, point, clock FROM look
UNION ALL
SELECT j.id, j.version, NULL, NULL FROM unnest($1::uuid[]) w(id) CROSS JOIN LATERAL (
    SELECT j.id, j.xmin AS written, j.xmin::text::bigint AS version, j.run_at
    FROM crmd.job j WHERE j.workspace_id = w.id AND j.type <> 'deliver-webhook' ORDER BY j.id DESC LIMIT $5) j
WHERE age(j.written) <= age($2::text::xid8::xid) OR (j.run_at > $3 AND j.run_at <= (SELECT clock FROM look))
UNION ALL
SELECT l.id, l.xmin::text::bigint, NULL, NULL FROM crmd.lease l
WHERE l.workspace_id = ANY ($1) AND l.type <> 'deliver-webhook' AND age(l.xmin) <= age($2::text::xid8::xid)
UNION ALL
SELECT a.id, a.xmin::text::bigint, NULL, NULL FROM crmd.archive a
WHERE a.workspace_id = ANY ($1) AND a.type <> 'deliver-webhook' AND a.finished_at > $4
  AND age(a.xmin) <= age($2::text::xid8::xid)
