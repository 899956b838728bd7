-- Claims jobs that need no key: moves them from crmd.job to crmd.lease under a new token.
--
-- The array keeps the planner on the index (a join with a CTE is answered by a sequential scan). The watermark
-- ($4, $5) starts behind the last key this daemon saw, so that dead index entries, which an old snapshot keeps alive,
-- are walked over once and not with every claim; the caller restarts it when dry, on a wake-up and every second.
-- $1 text: queue  $2 int: how many at most  $3 uuid: claim id  $4 timestamptz, $5 uuid: watermark
-- $6 uuid: daemon id. A daemon that was declared dead claims nothing.  $7 text[]: job types that rest
-- Columns that few handlers look at are answered in one, see crmd/store/claimed_row.py.
-- Index: job_ready (queue, rank_at, id), then job_pkey.
WITH taken AS (
    DELETE FROM crmd.job WHERE id = ANY (ARRAY(
        SELECT j.id FROM crmd.job j
        WHERE j.queue = $1 AND j.lane IS NULL AND j.held IS NULL
          AND (j.rank_at, j.id) > ($4, $5)
          AND j.rank_at <= (SELECT crmd.clock()) AND j.run_at <= (SELECT crmd.clock())
          AND j.type <> ALL ($7::text[])
          AND (j.expires_at IS NULL OR j.expires_at > (SELECT crmd.clock()))
          AND EXISTS (SELECT FROM crmd.daemon d WHERE d.id = $6 AND NOT d.is_dead)
        ORDER BY j.rank_at, j.id LIMIT $2 FOR UPDATE OF j SKIP LOCKED))
    RETURNING *
)
INSERT INTO crmd.lease (id, claim_id, daemon_id, claimed_at, run_at, rank_at, created_at, fence, attempt, max_attempts,
    crash_count, snooze_count, type, queue, priority, payload, lane, workspace_id, user_id, parent_id, unique_key,
    started_at, checkpoint, progress, errors, meta)
SELECT t.id, $3, $6, n.clock, t.run_at, t.rank_at, t.created_at, t.fence + 1, t.attempt + 1, t.max_attempts,
    t.crash_count + 1, t.snooze_count, t.type, t.queue, t.priority, t.payload, t.lane, t.workspace_id, t.user_id,
    t.parent_id, t.unique_key, coalesce(t.started_at, n.clock), t.checkpoint, t.progress, t.errors, t.meta
FROM taken t, (SELECT crmd.clock() AS clock) n
RETURNING id, type, fence, payload, lane, parent_id, unique_key, meta,
    record_send(ROW(rank_at, id, claim_id, attempt, max_attempts, crash_count, snooze_count, priority, queue, workspace_id,
        user_id, run_at, created_at, checkpoint)) AS cold
