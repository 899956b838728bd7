-- Dead letters that were not redriven, oldest id first, by keyset; with what a redrive needs.
-- $1 text[]: statuses  $2 text: type, NULL: any  $3 uuid: workspace, NULL: any  $4 int: days back
-- $5 text: cause (a fingerprint), NULL: any  $6 uuid: after this id  $7 int: how many
-- Index: archive_trouble, redrive_pkey.
SELECT a.id, a.type, a.status, a.payload, a.workspace_id, a.user_id, a.attempt, a.finished_at, a.meta,
    a.errors -> -1 ->> 'class' AS class, a.errors -> -1 ->> 'message' AS message
FROM crmd.archive a
WHERE a.status = ANY ($1) AND a.finished_at > (SELECT crmd.clock()) - make_interval(days => $4)
  AND ($2::text IS NULL OR a.type = $2) AND ($3::uuid IS NULL OR a.workspace_id = $3)
  AND ($5::text IS NULL OR crmd.fingerprint(a.type, a.errors) = $5) AND a.id > $6
  AND NOT EXISTS (SELECT FROM crmd.redrive r WHERE r.job_id = a.id)
ORDER BY a.id LIMIT $7
