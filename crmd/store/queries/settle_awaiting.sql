-- Ends the run of a parent whose children are still at work: the job goes back to crmd.job, held, with its result, and
-- whoever books its last child ends it. Runs behind family_lock; only for parents with pending children.
-- $1 uuid: id  $2 bigint: fence  $3 uuid: claim id  $4 jsonb: result  $5 jsonb: last progress, or NULL
-- Index: lease_pkey.
WITH gone AS (
    DELETE FROM crmd.lease l WHERE l.id = $1 AND l.fence = $2 AND l.claim_id = $3 RETURNING l.*
)
INSERT INTO crmd.job (id, run_at, rank_at, created_at, fence, attempt, max_attempts, crash_count, snooze_count, type,
    queue, priority, payload, lane, held, workspace_id, user_id, parent_id, unique_key, started_at, checkpoint,
    progress, errors, result, meta)
SELECT g.id, g.run_at, g.rank_at, g.created_at, g.fence, g.attempt, g.max_attempts, g.crash_count - 1, g.snooze_count,
    g.type, g.queue, g.priority, g.payload, g.lane, 'children', g.workspace_id, g.user_id, g.parent_id, g.unique_key,
    g.started_at, g.checkpoint, coalesce($5, g.progress), g.errors, $4, g.meta
FROM gone g
RETURNING id
