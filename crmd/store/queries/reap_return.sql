-- Gives reaped jobs back to the queue as suspects, which run alone from now on. The crash stays counted, unless the job
-- ran in a process of its own: then it was not what its daemon died of. Answers the ids that it moved, and why those are
-- to be cancelled that somebody asked to stop after the reaper had read them.
-- $1 uuid[]: ids  $2 bigint[]: fences  $3 uuid[]: claim ids  $4 float8[]: seconds until due  $5 jsonb[]: errors
-- $6 bool[]: whether its job type runs in processes
-- Index: lease_pkey. A row that its daemon is just settling is skipped.
WITH gone AS (
    DELETE FROM crmd.lease l
    USING unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::float8[], $5::jsonb[], $6::boolean[])
        AS s(id, fence, claim_id, delay_seconds, error, is_apart)
    WHERE l.id = s.id AND l.fence = s.fence AND l.claim_id = s.claim_id
      AND l.id = ANY (ARRAY(SELECT e.id FROM crmd.lease e WHERE e.id = ANY ($1) FOR UPDATE SKIP LOCKED))
    RETURNING l.*, s.delay_seconds, s.error, s.is_apart
), kept AS (
    INSERT INTO crmd.job (id, run_at, rank_at, created_at, fence, attempt, max_attempts, crash_count, snooze_count,
        type, queue, priority, payload, lane, held, workspace_id, user_id, parent_id, unique_key, started_at,
        checkpoint, progress, errors, meta)
    SELECT g.id, d.due_at, d.due_at - crmd.head_start(g.priority), g.created_at, g.fence, g.attempt - 1, g.max_attempts,
        g.crash_count - (g.is_alone OR g.is_apart)::integer, g.snooze_count, g.type, g.queue, g.priority, g.payload,
        g.lane, CASE WHEN g.is_alone OR NOT g.is_apart THEN 'suspect' END, g.workspace_id, g.user_id, g.parent_id,
        g.unique_key, g.started_at, g.checkpoint, g.progress, crmd.append_error(g.errors, g.error), g.meta
    FROM gone g CROSS JOIN LATERAL (
        SELECT (SELECT crmd.clock()) + make_interval(secs => g.delay_seconds) AS due_at) d
    RETURNING id, queue
), woken AS (
    SELECT crmd.wake(queue) FROM (SELECT DISTINCT queue FROM kept) q
)
SELECT k.id, CASE WHEN g.cancel_requested_at IS NOT NULL THEN coalesce(g.cancel_reason, '') END AS cancel_reason
FROM kept k JOIN gone g USING (id) WHERE (SELECT count(*) FROM woken) >= 0
