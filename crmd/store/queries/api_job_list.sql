-- Jobs, newest first, by page or by keyset; see crmd.list_jobs for what leads to them.
-- $1 uuid: workspace, NULL: all  $2 text[]: statuses, NULL: all  $3 text[]: types  $4 uuid: user  $5 uuid: parent
-- $6 uuid: this job or younger  $7 uuid: older than this job  $8 int: how many to leave out  $9 int: how many
-- $10 int: how many ended jobs to look at, where nothing leads to them
-- Index: job_workspace, lease_workspace, archive_workspace, archive_type, archive_user, archive_parent, archive_status;
-- then the primary keys, of one partition each.
WITH page AS MATERIALIZED (
    SELECT p.id, p.finished_at FROM crmd.list_jobs($1, $2, $3, $4, $5, $6, $7, $8::int + $9::int, $10) p
    ORDER BY p.id DESC OFFSET $8 LIMIT $9
)
SELECT j.* FROM crmd.listed_jobs(ARRAY(SELECT p.id FROM page p ORDER BY p.id),
    ARRAY(SELECT p.finished_at FROM page p ORDER BY p.id)) j
ORDER BY j.id DESC
