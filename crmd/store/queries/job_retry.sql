-- Runs an ended job again as a new one that names the old one; an archived row never changes. It is no dead letter from
-- then on.
-- $1 uuid: job id  $2 jsonb: another payload, NULL: the same. Index: archive_pkey, redrive_pkey.
WITH again AS (
    SELECT a.id AS old_id, e.id, e.is_new
    FROM crmd.archive a CROSS JOIN LATERAL crmd.enqueue_many(
        a.type, ARRAY[coalesce($2, a.payload)], a.workspace_id, a.user_id, NULL, a.priority, a.queue, NULL, NULL,
        a.max_attempts::integer, coalesce(a.meta, '{}') - '{isAwaited,isPayloadGone}'::text[]
            || jsonb_build_object('retriedFrom', a.id)) e
    WHERE a.id = $1
), noted AS (
    INSERT INTO crmd.redrive AS r (job_id, new_job_id, at)
    SELECT old_id, id, crmd.clock() FROM again
    ON CONFLICT (job_id) DO UPDATE SET new_job_id = excluded.new_job_id, at = excluded.at
)
SELECT id, is_new FROM again
