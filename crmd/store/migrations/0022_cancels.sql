-- Cancels that cost the same however many jobs have run lately. Rows of crmd.lease live for a moment, so that between two
-- vacuums its pages are mostly dead, and whoever reads all of them reads tens of megabytes.

-- For crmd.cancel, which looks for running children.
CREATE INDEX lease_parent ON crmd.lease (parent_id) WHERE parent_id IS NOT NULL;
-- For each heartbeat, which takes along the jobs that its daemon is asked to cancel; a cancel makes daemons beat at once.
CREATE INDEX lease_cancel ON crmd.lease (daemon_id) WHERE cancel_requested_at IS NOT NULL;

-- What looks for jobs by their ids is planned for tables of any size: a plan that was made while crmd.lease was empty
-- would read all of it for each job of a burst that comes later.

-- As before; planned once in a session.
CREATE OR REPLACE FUNCTION crmd.archive_cancelled(ids uuid[], is_after boolean, reason text, class text DEFAULT 'Cancelled')
RETURNS TABLE (id uuid, parent_id uuid)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog SET plan_cache_mode = force_generic_plan
SET enable_bitmapscan = off SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH ended AS (
        DELETE FROM crmd.job j WHERE j.id = ANY (archive_cancelled.ids)
          AND coalesce(j.held, '') NOT IN ('children', 'gather')
          AND (coalesce(j.held, '') = 'after') = archive_cancelled.is_after
        RETURNING j.*
    ), unwaited AS (
        DELETE FROM crmd.waiting w USING ended e WHERE w.job_id = e.id
    ), forgotten AS (
        DELETE FROM crmd.family f USING ended e WHERE f.parent_id = e.id AND e.held = 'after'
    ), unbound AS (
        SELECT crmd.forget_dependencies(array_agg(e.id)) FROM ended e WHERE e.held = 'after' HAVING count(*) > 0
    ), kept AS (
        INSERT INTO crmd.archive (id, finished_at, run_at, created_at, started_at, fence, attempt, max_attempts,
            crash_count, snooze_count, status, type, queue, priority, payload, lane, workspace_id, user_id,
            parent_id, unique_key, checkpoint, progress, errors, result, meta)
        SELECT e.id, crmd.clock(), e.run_at, e.created_at, e.started_at, e.fence, e.attempt, e.max_attempts,
            e.crash_count, e.snooze_count, 'cancelled', e.type, e.queue, e.priority, e.payload, e.lane,
            e.workspace_id, e.user_id, e.parent_id, e.unique_key, e.checkpoint, e.progress,
            crmd.append_error(e.errors, crmd.cancel_error(e.attempt, archive_cancelled.reason)
                || jsonb_build_object('class', archive_cancelled.class)), e.result, e.meta
        FROM ended e
        RETURNING id, parent_id, unique_key
    ), freed AS (
        SELECT crmd.free_keys(array_agg(k.id), array_agg(k.unique_key))
        FROM kept k WHERE k.unique_key IS NOT NULL HAVING count(*) > 0
    )
    SELECT k.id, k.parent_id FROM kept k LEFT JOIN freed ON true LEFT JOIN unbound ON true;
END $$;

-- As before; jobs that were to come after others are looked for only where there are any.
CREATE OR REPLACE FUNCTION crmd.cancel(job_id uuid, reason text DEFAULT 'cancelled by request') RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog SET plan_cache_mode = force_generic_plan
SET enable_bitmapscan = off SET enable_seqscan = off AS $$
DECLARE
    v_tree uuid[];
    v_ids uuid[];
    v_parents uuid[];
    v_answer text;
BEGIN
    FOR v_round IN 1..3 LOOP -- a job that is given back between two of these statements is met in the next round
        WITH RECURSIVE below AS (
            SELECT cancel.job_id AS id, 0 AS depth
            UNION ALL
            SELECT c.id, b.depth + 1 FROM below b CROSS JOIN LATERAL (
                SELECT j.id FROM crmd.job j WHERE j.parent_id = b.id
                UNION ALL SELECT l.id FROM crmd.lease l WHERE l.parent_id = b.id) c
        )
        SELECT array_agg(b.id ORDER BY b.depth DESC, b.id) INTO v_tree FROM below b;

        PERFORM FROM crmd.job j WHERE j.id = ANY (v_tree) AND coalesce(j.held, '') NOT IN ('children', 'gather', 'after')
        ORDER BY j.id FOR UPDATE;
        SELECT array_agg(a.id), array_agg(a.parent_id) INTO v_ids, v_parents
        FROM crmd.archive_cancelled(v_tree, false, cancel.reason) a;

        PERFORM FROM crmd.lease l WHERE l.id = ANY (v_tree) ORDER BY l.id FOR NO KEY UPDATE;
        UPDATE crmd.lease l SET cancel_requested_at = crmd.clock(), cancel_reason = cancel.reason
        WHERE l.id = ANY (v_tree) AND l.cancel_requested_at IS NULL;
        IF FOUND THEN
            PERFORM pg_notify('crmd_wake', '!cancel');
        END IF;

        PERFORM FROM crmd.family f WHERE f.parent_id = ANY (v_tree)
        ORDER BY array_position(v_tree, f.parent_id) FOR UPDATE;
        UPDATE crmd.family f SET cancel_reason = coalesce(f.cancel_reason, cancel.reason)
        WHERE f.parent_id = ANY (v_tree)
          AND EXISTS (SELECT FROM crmd.job j WHERE j.id = f.parent_id AND j.held IN ('children', 'gather'));
        IF EXISTS (SELECT FROM crmd.job j WHERE j.id = ANY (v_tree) AND j.held = 'after') THEN
            SELECT v_ids || array_agg(a.id), v_parents || array_agg(a.parent_id) INTO v_ids, v_parents
            FROM crmd.archive_cancelled(v_tree, true, cancel.reason) a;
        END IF;
        IF v_ids IS NOT NULL THEN
            PERFORM crmd.book_ended(v_ids, v_parents, array_fill('cancelled'::text, ARRAY[cardinality(v_ids)]), NULL);
        END IF;
        EXIT WHEN NOT EXISTS (SELECT FROM crmd.job j WHERE j.id = ANY (v_tree)
                                AND coalesce(j.held, '') NOT IN ('children', 'gather'));
    END LOOP;
    SELECT j.status INTO v_answer FROM crmd.jobs j WHERE j.id = cancel.job_id;
    RETURN CASE v_answer WHEN 'processing' THEN 'requested' ELSE v_answer END;
END $$;

-- Proves that a claim is the current one and locks it until the transaction ends; NULL: the lease is lost.
CREATE FUNCTION crmd.hold_lease(p_id uuid, p_fence bigint, p_claim uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog SET plan_cache_mode = force_generic_plan
SET enable_bitmapscan = off SET enable_seqscan = off AS $$
BEGIN
    PERFORM FROM crmd.lease l WHERE l.id = p_id AND l.fence = p_fence AND l.claim_id = p_claim FOR NO KEY UPDATE;
    RETURN CASE WHEN FOUND THEN true END;
END $$;
REVOKE EXECUTE ON FUNCTION crmd.hold_lease FROM PUBLIC;
