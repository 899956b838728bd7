-- As live_changes.sql, of all workspaces and of none.
-- $1 text: the point (xid8) of the earlier look  $2 timestamptz: its instant  $3 timestamptz: of ended jobs those from
-- then on  $4 int: how many waiting ones, the newest
-- Index: job_pkey from its end, archive_finished. Reads all of crmd.lease, which holds what runs.
WITH look AS MATERIALIZED (
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS point, crmd.clock() AS clock
)
SELECT NULL::uuid AS id, NULL::bigint AS version, point, clock FROM look
UNION ALL
SELECT j.id, j.version, NULL, NULL FROM (
    SELECT j.id, j.xmin AS written, j.xmin::text::bigint AS version, j.run_at FROM crmd.job j ORDER BY j.id DESC LIMIT $4) j
WHERE age(j.written) <= age($1::text::xid8::xid) OR (j.run_at > $2 AND j.run_at <= (SELECT clock FROM look))
UNION ALL
SELECT l.id, l.xmin::text::bigint, NULL, NULL FROM crmd.lease l WHERE age(l.xmin) <= age($1::text::xid8::xid)
UNION ALL
SELECT a.id, a.xmin::text::bigint, NULL, NULL FROM crmd.archive a
WHERE a.finished_at > $3 AND age(a.xmin) <= age($1::text::xid8::xid)
