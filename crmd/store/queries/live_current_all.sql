-- As live_current.sql, of all workspaces and of none.
-- $1 int: how many at most  $2 timestamptz: of ended jobs those from then on
-- Index: job_pkey, lease_pkey, from their ends; archive_finished.
(SELECT u.id, false AS is_ended FROM (
    (SELECT j.id FROM crmd.job j ORDER BY j.id DESC LIMIT $1)
    UNION ALL
    (SELECT l.id FROM crmd.lease l ORDER BY l.id DESC LIMIT $1)) u
ORDER BY u.id DESC LIMIT $1)
UNION ALL
(SELECT a.id, true FROM crmd.archive a WHERE a.finished_at > $2 ORDER BY a.finished_at DESC LIMIT $1)
