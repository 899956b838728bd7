-- Dead letters by cause, the most frequent first; those that were redriven are left out.
-- $1 text[]: statuses (dead, failed)  $2 text: type, NULL: any  $3 uuid: workspace, NULL: any  $4 int: days back
-- $5 int: how many groups
-- Index: archive_trouble, redrive_pkey.
SELECT crmd.fingerprint(a.type, a.errors) AS cause, a.type, count(*) AS jobs, min(a.status) AS status,
    min(a.errors -> -1 ->> 'class') AS class, min(crmd.cause_of(a.errors -> -1 ->> 'message')) AS gist,
    (array_agg(a.id ORDER BY a.finished_at DESC))[1] AS newest_id,
    (array_agg(a.errors -> -1 ->> 'message' ORDER BY a.finished_at DESC))[1] AS newest_message,
    min(a.finished_at) AS first_at, max(a.finished_at) AS last_at, count(DISTINCT a.workspace_id) AS workspaces
FROM crmd.archive a
WHERE a.status = ANY ($1) AND a.finished_at > (SELECT crmd.clock()) - make_interval(days => $4)
  AND ($2::text IS NULL OR a.type = $2) AND ($3::uuid IS NULL OR a.workspace_id = $3)
  AND NOT EXISTS (SELECT FROM crmd.redrive r WHERE r.job_id = a.id)
GROUP BY 1, 2 ORDER BY jobs DESC, last_at DESC LIMIT $5
