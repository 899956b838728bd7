-- Gives jobs back to the queue, to run again: a retry, a snooze, a park behind a gate, a wait, or an orderly stop. A job
-- whose event has come while it went to wait is due at once; one that comes a moment later, crmd.sweep_waiting finds.
-- Whoever has come through an attempt is cleared of the crashes of its daemons; a suspect that has not stays one. Held as
-- `suspect` by its daemon: it took its process with it, and that stays counted.
-- Due times come from the database's clock; a daemon sends delays only. Answers the ids that it moved,
-- and why those are to be cancelled that somebody asked to stop meanwhile.
-- $1 uuid[]: ids  $2 bigint[]: fences  $3 uuid[]: claim ids  $4 float8[]: seconds until due, NULL: never
-- $5 bool[]: whether the attempt is given back  $6 int[]: snoozes to add  $7 jsonb[]: the error to append, or NULL
-- $8 jsonb[]: last progress, or NULL  $9 text[]: what it is held for besides its time, or NULL
-- Index: lease_pkey, waiting_met.
WITH gone AS (
    DELETE FROM crmd.lease l
    USING unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::float8[], $5::boolean[], $6::integer[], $7::jsonb[],
        $8::jsonb[], $9::text[])
        AS s(id, fence, claim_id, delay_seconds, is_given_back, snoozes, error, last_progress, held)
    WHERE l.id = s.id AND l.fence = s.fence AND l.claim_id = s.claim_id
    RETURNING l.*, s.delay_seconds, s.is_given_back, s.snoozes, s.error, s.last_progress, s.held
), kept AS (
    INSERT INTO crmd.job (id, run_at, rank_at, created_at, fence, attempt, max_attempts, crash_count, snooze_count,
        type, queue, priority, payload, lane, held, workspace_id, user_id, parent_id, unique_key, started_at,
        checkpoint, progress, errors, meta)
    SELECT g.id, d.due_at, d.due_at - crmd.head_start(g.priority), g.created_at, g.fence,
        g.attempt - g.is_given_back::integer, g.max_attempts,
        CASE WHEN g.held = 'suspect' THEN g.crash_count
             WHEN g.is_given_back AND g.snoozes = 0 THEN g.crash_count - 1 ELSE 0 END,
        g.snooze_count + g.snoozes, g.type, g.queue, g.priority, g.payload, g.lane,
        coalesce(g.held, CASE WHEN g.is_alone AND g.is_given_back AND g.snoozes = 0 THEN 'suspect' END),
        g.workspace_id, g.user_id, g.parent_id, g.unique_key, g.started_at, g.checkpoint,
        coalesce(g.last_progress, g.progress),
        CASE WHEN g.error IS NULL THEN g.errors ELSE crmd.append_error(g.errors, g.error) END, g.meta
    FROM gone g CROSS JOIN LATERAL (
        -- An attempt that is given back keeps its place in the queue.
        SELECT CASE WHEN g.delay_seconds <= 0 THEN g.run_at
                    WHEN g.is_given_back AND g.error IS NULL AND EXISTS (SELECT FROM crmd.waiting w
                        WHERE w.job_id = g.id AND w.fence = g.fence AND w.event IS NOT NULL) THEN (SELECT crmd.clock())
                    WHEN g.delay_seconds IS NULL THEN 'infinity'
                    ELSE (SELECT crmd.clock()) + make_interval(secs => g.delay_seconds) END AS due_at) d
    RETURNING id, queue
), woken AS (
    SELECT crmd.wake(queue) FROM (SELECT DISTINCT queue FROM kept) q
)
SELECT k.id, CASE WHEN g.cancel_requested_at IS NOT NULL THEN coalesce(g.cancel_reason, '') END AS cancel_reason
FROM kept k JOIN gone g USING (id) WHERE (SELECT count(*) FROM woken) >= 0
