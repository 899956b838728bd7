-- Ends jobs: moves them from crmd.lease to crmd.archive, if the claim that ran them is still the current one, gives
-- back their unique keys and tells whoever waits for their end. Answers the ids that it moved; the others have lost
-- their lease, or were ended by an earlier try of this very statement.
-- $1 uuid[]: ids  $2 bigint[]: fences  $3 uuid[]: claim ids
-- $4 text[]: completed | failed | cancelled | dead | poison (dead, and the crash of this claim stays counted)
-- $5 jsonb[]: results  $6 jsonb[]: the error to append, or NULL  $7 jsonb[]: last progress, or NULL
-- Index: lease_pkey, waiting_pkey.
WITH gone AS (
    DELETE FROM crmd.lease l
    USING unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::jsonb[], $6::jsonb[], $7::jsonb[])
        AS s(id, fence, claim_id, status, result, error, last_progress)
    WHERE l.id = s.id AND l.fence = s.fence AND l.claim_id = s.claim_id
    RETURNING l.*, s.status, s.result, s.error, s.last_progress
), freed AS (
    SELECT crmd.free_keys(array_agg(g.id), array_agg(g.unique_key))
    FROM gone g WHERE g.unique_key IS NOT NULL HAVING count(*) > 0
), unwaited AS ( -- one that an emitter is just handing its event is left to the sweep: its transaction may be long
    DELETE FROM crmd.waiting WHERE (job_id, step) IN (
        SELECT w.job_id, w.step FROM crmd.waiting w JOIN gone g ON g.id = w.job_id
        WHERE g.status <> 'completed' FOR UPDATE OF w SKIP LOCKED)
), kept AS (
    INSERT INTO crmd.archive (id, finished_at, run_at, created_at, started_at, fence, attempt, max_attempts, crash_count,
        snooze_count, status, type, queue, priority, payload, lane, workspace_id, user_id, parent_id, unique_key,
        claim_id, checkpoint, progress, errors, result, meta)
    SELECT g.id, n.clock, g.run_at, g.created_at, g.started_at, g.fence, g.attempt, g.max_attempts,
        g.crash_count - (g.status <> 'poison')::integer, g.snooze_count,
        CASE g.status WHEN 'poison' THEN 'dead' ELSE g.status END, g.type, g.queue, g.priority, g.payload, g.lane,
        g.workspace_id, g.user_id, g.parent_id, g.unique_key, g.claim_id, g.checkpoint, coalesce(g.last_progress, g.progress),
        CASE WHEN g.error IS NULL THEN g.errors ELSE crmd.append_error(g.errors, g.error) END, g.result, g.meta
    FROM gone g, (SELECT crmd.clock() AS clock) n
    RETURNING id, parent_id, status, result, coalesce(meta ? 'isAwaited', false) AS is_awaited
), booked AS (
    SELECT crmd.book_ended(array_agg(CASE WHEN is_awaited THEN id END), array_agg(parent_id), array_agg(status),
                           array_agg(result))
    FROM kept WHERE parent_id IS NOT NULL OR is_awaited HAVING count(*) > 0
)
SELECT k.id FROM kept k LEFT JOIN booked ON true LEFT JOIN freed ON true
