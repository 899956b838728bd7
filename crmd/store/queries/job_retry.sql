-- Runs an ended job again as a new one that names the old one; an archived row never changes.
-- $1 uuid: job id. Index: archive_pkey.
SELECT e.id, e.is_new
FROM crmd.archive a CROSS JOIN LATERAL crmd.enqueue_many(
    a.type, ARRAY[a.payload], a.workspace_id, a.user_id, NULL, a.priority, a.queue, NULL, NULL,
    a.max_attempts::integer, coalesce(a.meta, '{}') || jsonb_build_object('retriedFrom', a.id)) e
WHERE a.id = $1
