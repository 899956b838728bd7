-- Dead letters by cause, the most frequent first; those that were redriven are left out. Of each status the newest 20,000 are looked
-- at. Equal messages are put together first, since finding out a cause costs more than reading a letter.
-- $1 text[]: statuses (dead, failed)  $2 text: type, NULL: any  $3 uuid: workspace, NULL: any  $4 int: days back
-- $5 int: how many groups
-- Index: archive_trouble, redrive_pkey.
WITH letter AS MATERIALIZED (
    SELECT a.id, a.type, a.status, a.finished_at, a.workspace_id, a.errors -> -1 ->> 'class' AS class,
        a.errors -> -1 ->> 'message' AS message
    FROM unnest($1::text[]) s(status) CROSS JOIN LATERAL (
        SELECT * FROM crmd.archive r
        WHERE r.status = s.status AND r.status IN ('dead', 'failed')
          AND r.finished_at > (SELECT crmd.clock()) - make_interval(days => $4)
          AND ($2::text IS NULL OR r.type = $2) AND ($3::uuid IS NULL OR r.workspace_id = $3)
          AND NOT EXISTS (SELECT FROM crmd.redrive d WHERE d.job_id = r.id)
        ORDER BY r.finished_at DESC LIMIT 20000) a
), alike AS (
    SELECT l.type, l.class, l.message, min(l.status) AS status, count(*) AS jobs, min(l.finished_at) AS first_at,
        max(l.finished_at) AS last_at, (array_agg(l.id ORDER BY l.finished_at DESC))[1] AS newest_id,
        array_agg(DISTINCT l.workspace_id) FILTER (WHERE l.workspace_id IS NOT NULL) AS workspaces
    FROM letter l GROUP BY l.type, l.class, l.message
), caused AS MATERIALIZED (
    SELECT a.*, crmd.cause_of(a.message) AS gist, crmd.fingerprint(a.type,
        jsonb_build_array(jsonb_build_object('class', a.class, 'message', a.message))) AS cause
    FROM alike a
)
SELECT c.cause, c.type, sum(c.jobs)::bigint AS jobs, min(c.status) AS status, min(c.class) AS class, min(c.gist) AS gist,
    (array_agg(c.newest_id ORDER BY c.last_at DESC))[1] AS newest_id,
    (array_agg(c.message ORDER BY c.last_at DESC))[1] AS newest_message,
    min(c.first_at) AS first_at, max(c.last_at) AS last_at,
    (SELECT count(DISTINCT w) FROM caused o CROSS JOIN unnest(o.workspaces) w
     WHERE o.cause = c.cause AND o.type = c.type) AS workspaces
FROM caused c GROUP BY c.cause, c.type ORDER BY jobs DESC, last_at DESC LIMIT $5
