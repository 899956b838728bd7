-- Which jobs a claim got, for a daemon that does not know whether its claim committed.
-- $1 uuid: claim id. Reads the whole of crmd.lease, which is as small as the work in hand.
SELECT id, type, fence, attempt, payload, rank_at, max_attempts, crash_count, priority, queue, workspace_id, user_id,
    parent_id, lane, run_at, created_at, checkpoint, meta, claim_id, snooze_count,
    unique_key
FROM crmd.lease WHERE claim_id = $1
