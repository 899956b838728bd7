-- Claims named suspects, to run each in a process of its own. Their keys are checked by the caller (keys_lock,
-- keys_room) in the same transaction. The crash is counted here, before the process can die.
-- $1 uuid[]: job ids  $2 uuid: claim id  $3 uuid: daemon id
-- Index: job_pkey.
WITH taken AS (
    DELETE FROM crmd.job WHERE id = ANY (ARRAY(
        SELECT j.id FROM crmd.job j
        WHERE j.id = ANY ($1) AND j.held = 'suspect' AND j.run_at <= (SELECT crmd.clock())
          AND EXISTS (SELECT FROM crmd.daemon d WHERE d.id = $3 AND NOT d.is_dead)
        FOR UPDATE OF j SKIP LOCKED))
    RETURNING *
)
INSERT INTO crmd.lease (id, claim_id, daemon_id, claimed_at, run_at, rank_at, created_at, fence, attempt, max_attempts,
    crash_count, snooze_count, type, queue, priority, payload, lane, workspace_id, user_id, parent_id, unique_key,
    started_at, checkpoint, progress, errors, meta, is_alone)
SELECT t.id, $2, $3, n.clock, t.run_at, t.rank_at, t.created_at, t.fence + 1, t.attempt + 1, t.max_attempts,
    t.crash_count + 1, t.snooze_count, t.type, t.queue, t.priority, t.payload, t.lane, t.workspace_id, t.user_id,
    t.parent_id, t.unique_key, coalesce(t.started_at, n.clock), t.checkpoint, t.progress, t.errors, t.meta, true
FROM taken t, (SELECT crmd.clock() AS clock) n
RETURNING id, type, fence, attempt, payload, rank_at, max_attempts, crash_count, priority, queue, workspace_id, user_id,
    parent_id, lane, run_at, created_at, checkpoint, meta, claim_id, snooze_count,
    unique_key
