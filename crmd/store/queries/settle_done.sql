-- Ends jobs that went well and left nothing to say: no result, no error, no progress, no unique key, no parent. The
-- bulk of all jobs is of this kind, so it has the shortest way: its command tag tells how many it moved. A job whose end
-- somebody waits for by now, which its claim cannot know, is left to settle_ended, and so is one that has lost its lease.
-- All are of their first claim: an earlier one may have left something behind.
-- $1 uuid[]: ids  $2 int[]: which of the claim ids is each one's  $3 uuid[]: claim ids. Index: lease_pkey.
WITH gone AS (
    DELETE FROM crmd.lease l USING unnest($1::uuid[], $2::integer[]) AS s(id, claim)
    WHERE l.id = s.id AND l.fence = 1 AND l.claim_id = ($3::uuid[])[s.claim] AND (l.meta ? 'isAwaited') IS NOT TRUE
    RETURNING l.*
)
INSERT INTO crmd.archive (id, finished_at, run_at, created_at, started_at, fence, attempt, max_attempts, crash_count,
    snooze_count, status, type, queue, priority, payload, lane, workspace_id, user_id, claim_id, checkpoint, progress,
    errors, meta)
SELECT g.id, n.clock, g.run_at, g.created_at, g.started_at, g.fence, g.attempt, g.max_attempts, g.crash_count - 1,
    g.snooze_count, 'completed', g.type, g.queue, g.priority, g.payload, g.lane, g.workspace_id, g.user_id, g.claim_id,
    g.checkpoint, g.progress, g.errors, g.meta
FROM gone g, (SELECT crmd.clock() AS clock) n
