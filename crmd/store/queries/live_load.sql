-- Jobs as streams show them, wherever they stand, with the version of each row (see live_changes.sql). A payload or
-- result beyond $4 bytes is left out. One that is moving at this moment is found before or behind the move.
-- $1 uuid[]: ids  $2 uuid: their workspace, NULL: whichever  $3 timestamptz: of ended jobs those from then on
-- $4 int: bytes of a payload or result. Index: job_pkey, lease_pkey, archive_pkey.
SELECT s.id, s.workspace_id, s.user_id, s.type, s.status, s.created_at, s.started_at, s.finished_at, s.attempt,
    s.max_attempts, s.queue, s.priority, s.run_at, s.parent_id, s.cancel_requested_at, s.progress,
    s.errors -> -1 AS last_error, s.version, s.clock,
    CASE WHEN NOT b.is_payload_large THEN s.payload END AS payload,
    CASE WHEN NOT b.is_result_large THEN s.result END AS result,
    b.is_payload_large OR b.is_result_large AS is_truncated
FROM (SELECT crmd.clock() AS clock) n CROSS JOIN LATERAL (
    SELECT j.id, j.workspace_id, j.user_id, j.type,
        CASE WHEN j.held IN ('children', 'gather') THEN 'processing' WHEN j.run_at > n.clock THEN 'scheduled'
             ELSE 'pending' END AS status,
        j.created_at, j.started_at, NULL::timestamptz AS finished_at, j.attempt, j.max_attempts, j.queue, j.priority,
        j.run_at, j.parent_id, NULL::timestamptz AS cancel_requested_at, j.progress, j.errors, j.payload, j.result,
        j.xmin::text::bigint AS version, n.clock
    FROM crmd.job j WHERE j.id = ANY ($1) AND ($2::uuid IS NULL OR j.workspace_id = $2)
    UNION ALL
    SELECT l.id, l.workspace_id, l.user_id, l.type, 'processing', l.created_at, l.started_at, NULL, l.attempt,
        l.max_attempts, l.queue, l.priority, l.run_at, l.parent_id, l.cancel_requested_at, l.progress, l.errors,
        l.payload, NULL, l.xmin::text::bigint, n.clock
    FROM crmd.lease l WHERE l.id = ANY ($1) AND ($2::uuid IS NULL OR l.workspace_id = $2)
    UNION ALL
    SELECT a.id, a.workspace_id, a.user_id, a.type, a.status, a.created_at, a.started_at, a.finished_at, a.attempt,
        a.max_attempts, a.queue, a.priority, a.run_at, a.parent_id, NULL, a.progress, a.errors, a.payload, a.result,
        a.xmin::text::bigint, n.clock
    FROM crmd.archive a
    WHERE a.id = ANY ($1) AND a.finished_at > $3 AND ($2::uuid IS NULL OR a.workspace_id = $2)
) s CROSS JOIN LATERAL (
    SELECT CASE WHEN s.payload IS NULL THEN false WHEN pg_column_size(s.payload) > $4 THEN true
                ELSE octet_length(s.payload::text) > $4 END AS is_payload_large,
        CASE WHEN s.result IS NULL THEN false WHEN pg_column_size(s.result) > $4 THEN true
             ELSE octet_length(s.result::text) > $4 END AS is_result_large
) b
