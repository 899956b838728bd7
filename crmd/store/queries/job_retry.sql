-- Runs an ended job again as a new one that names the old one; an archived row never changes. It is no dead letter from
-- then on.
-- $1 uuid: job id  $2 jsonb: another payload, NULL: the same  $3 bool: only its failed items
-- $4 bool: it goes on from the steps that the old one has kept  $5 text: up to this step, NULL: from all of them
-- Index: archive_pkey, redrive_pkey, step_pkey.
WITH again AS (
    SELECT a.id AS old_id, e.id, e.is_new, e.answer
    FROM crmd.archive a CROSS JOIN LATERAL crmd.enqueue_again(a, $2, NULL,
        CASE WHEN $3 THEN jsonb_build_object('failedItemsOf', a.id) ELSE '{}' END
        || CASE WHEN $4 THEN jsonb_build_object('fromStep', $5::text) ELSE '{}' END) e
    WHERE a.id = $1
), noted AS (
    INSERT INTO crmd.redrive AS r (job_id, new_job_id, at)
    SELECT old_id, id, crmd.clock() FROM again WHERE answer <> 'rejected'
    ON CONFLICT (job_id) DO UPDATE SET new_job_id = excluded.new_job_id, at = excluded.at
), kept AS (
    INSERT INTO crmd.step (job_id, name, position, kind, result, fence, started_at, finished_at)
    SELECT n.id, s.name, s.position, s.kind, s.result, 0, s.started_at, s.finished_at
    FROM again n JOIN crmd.step s ON s.job_id = n.old_id
    WHERE $4 AND n.is_new AND s.finished_at IS NOT NULL AND ($5::text IS NULL OR s.started_at < (
        SELECT f.started_at FROM crmd.step f WHERE f.job_id = n.old_id AND f.name = $5))
)
SELECT id, is_new, answer FROM again
