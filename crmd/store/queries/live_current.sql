-- What a stream of a workspace begins with: its unfinished jobs and those that have just ended, newest first,
-- without deliveries of webhooks.
-- $1 uuid: workspace  $2 int: how many at most  $3 timestamptz: of ended jobs those from then on
-- Index: job_workspace, lease_workspace, archive_workspace_finished.
(SELECT u.id, false AS is_ended FROM (
    (SELECT j.id FROM crmd.job j WHERE j.workspace_id = $1 AND j.type <> 'deliver-webhook' ORDER BY j.id DESC LIMIT $2)
    UNION ALL
    (SELECT l.id FROM crmd.lease l WHERE l.workspace_id = $1 AND l.type <> 'deliver-webhook' ORDER BY l.id DESC LIMIT $2)) u
ORDER BY u.id DESC LIMIT $2)
UNION ALL
(SELECT a.id, true FROM crmd.archive a WHERE a.workspace_id = $1 AND a.type <> 'deliver-webhook' AND a.finished_at > $3
ORDER BY a.finished_at DESC LIMIT $2)
