-- Claims jobs with keys: so many of each lane as its turn allows. Runs behind claim_lock, after lanes_room.
-- $1 text: queue  $2 text[], $3 int[]: lanes and how many of each at most  $4 uuid: claim id  $5 uuid: daemon id
-- Index: job_lane (queue, lane, rank_at, id), then job_pkey.
WITH taken AS (
    DELETE FROM crmd.job WHERE id = ANY (ARRAY(
        SELECT p.id FROM unnest($2::text[], $3::integer[]) AS turn(lane, room)
        CROSS JOIN LATERAL (
            SELECT j.id FROM crmd.job j
            WHERE j.queue = $1 AND j.lane = turn.lane AND j.held IS NULL
              AND j.rank_at <= (SELECT crmd.clock()) AND j.run_at <= (SELECT crmd.clock())
              AND (j.expires_at IS NULL OR j.expires_at > (SELECT crmd.clock()))
              AND EXISTS (SELECT FROM crmd.daemon d WHERE d.id = $5 AND NOT d.is_dead)
            ORDER BY j.rank_at, j.id LIMIT turn.room FOR UPDATE OF j SKIP LOCKED) p))
    RETURNING *
)
INSERT INTO crmd.lease (id, claim_id, daemon_id, claimed_at, run_at, rank_at, created_at, fence, attempt, max_attempts,
    crash_count, snooze_count, type, queue, priority, payload, lane, workspace_id, user_id, parent_id, unique_key,
    started_at, checkpoint, progress, errors, meta)
SELECT t.id, $4, $5, n.clock, t.run_at, t.rank_at, t.created_at, t.fence + 1, t.attempt + 1, t.max_attempts,
    t.crash_count + 1, t.snooze_count, t.type, t.queue, t.priority, t.payload, t.lane, t.workspace_id, t.user_id,
    t.parent_id, t.unique_key, coalesce(t.started_at, n.clock), t.checkpoint, t.progress, t.errors, t.meta
FROM taken t, (SELECT crmd.clock() AS clock) n
RETURNING id, type, fence, attempt, payload, rank_at, max_attempts, crash_count, priority, queue, workspace_id, user_id,
    parent_id, lane, run_at, created_at, checkpoint, meta, claim_id, snooze_count,
    unique_key
