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

-- As before; payloads may come as text as well. Every call of the old function is one of the new, which is there with the
-- same commit: two that differ in what may be left out could not be told apart.
-- squawk-ignore ban-drop-function
DROP FUNCTION crmd.enqueue_batch;
CREATE FUNCTION crmd.enqueue_batch(
    type text,
    payloads jsonb[],
    workspace_id uuid DEFAULT NULL,
    user_id uuid DEFAULT NULL,
    run_at timestamptz DEFAULT NULL,
    priority text DEFAULT NULL,
    queue text DEFAULT NULL,
    unique_keys text[] DEFAULT NULL,
    parent_id uuid DEFAULT NULL,
    max_attempts integer DEFAULT NULL,
    meta jsonb DEFAULT NULL,
    unique_scope text DEFAULT NULL,
    unique_seconds double precision DEFAULT NULL,
    on_conflict text DEFAULT NULL,
    max_delay_seconds double precision DEFAULT NULL,
    delay_seconds double precision DEFAULT NULL,
    expires_at timestamptz DEFAULT NULL,
    expires_in_seconds double precision DEFAULT NULL,
    after uuid[] DEFAULT NULL,
    payload_version integer DEFAULT NULL,
    metas jsonb[] DEFAULT NULL,       -- one per payload, beside meta; for types whose jobs have no keys
    is_after_any boolean DEFAULT false,
    texts text[] DEFAULT NULL,        -- payloads as JSON text, instead of payloads
    OUT ids uuid[],
    OUT answers text[]
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    t crmd.job_type;
    j crmd.job;
    rule crmd.enqueue_rule;
    v_varies boolean := false;
    v_version integer;
    v_texts text[] := enqueue_batch.texts;
    v_new integer := coalesce(cardinality(v_texts), cardinality(enqueue_batch.payloads));
    v_is_plain boolean;
BEGIN
    SELECT * INTO t FROM crmd.job_type k WHERE k.name = enqueue_batch.type;
    IF NOT FOUND THEN
        SELECT * INTO t FROM crmd.job_type k WHERE enqueue_batch.type = ANY (k.aliases);
    END IF;
    IF t.name IS NULL THEN
        RAISE EXCEPTION 'no job type "%" is registered', enqueue_batch.type
            USING ERRCODE = 'CR001', HINT = 'List the registered ones: SELECT name FROM crmd.job_type.';
    END IF;
    v_is_plain := t.unique_scope IS NULL AND enqueue_batch.unique_keys IS NULL AND NOT t.has_collisions
        AND coalesce(cardinality(enqueue_batch.after), 0) = 0;
    -- Of many that need no look at their payloads each is parsed on its way into the table: an array of all of them would
    -- keep what parsing leaves behind until the last.
    IF v_texts IS NOT NULL AND (t.is_payload_sealed OR v_new = 1 OR NOT v_is_plain OR enqueue_batch.metas IS NOT NULL) THEN
        enqueue_batch.payloads := v_texts::jsonb[];
        v_texts := NULL;
    END IF;
    IF t.is_payload_sealed AND EXISTS (
        SELECT FROM unnest(enqueue_batch.payloads) p WHERE p <> '{}' AND NOT p ? '$sealed')
    THEN
        RAISE EXCEPTION 'the payloads of "%" are sealed, which SQL cannot do', t.name
            USING ERRCODE = 'CR007', HINT = 'Enqueue it from Python, the command line or the API.';
    END IF;
    j.created_at := crmd.clock();
    j.run_at := coalesce(enqueue_batch.run_at, j.created_at + make_interval(secs => coalesce(
        enqueue_batch.delay_seconds, t.unique_delay_seconds)), j.created_at);
    j.priority := coalesce(enqueue_batch.priority, t.priority);
    j.rank_at := j.run_at - crmd.head_start(j.priority);
    IF j.rank_at IS NULL THEN
        RAISE EXCEPTION 'priority "%" is none of critical, high, normal, low', j.priority USING ERRCODE = 'CR002';
    END IF;
    j.type := t.name;
    j.queue := coalesce(enqueue_batch.queue, t.queue);
    j.max_attempts := coalesce(enqueue_batch.max_attempts, t.max_attempts);
    j.workspace_id := enqueue_batch.workspace_id;
    j.user_id := enqueue_batch.user_id;
    j.parent_id := enqueue_batch.parent_id;
    IF t.keys <> '[]' THEN
        v_varies := crmd.lane_varies(t.keys);
        j.lane := crmd.lane_of(t.keys, j.workspace_id, j.user_id, '{}');
    END IF;
    j.expires_at := coalesce(enqueue_batch.expires_at, j.run_at + make_interval(secs => coalesce(
        enqueue_batch.expires_in_seconds, t.expires_seconds)));
    v_version := coalesce(enqueue_batch.payload_version, t.payload_version);
    j.meta := enqueue_batch.meta - 'payloadVersion';
    IF v_version > 1 THEN
        j.meta := coalesce(j.meta, '{}') || jsonb_build_object('payloadVersion', v_version);
    END IF;
    IF cardinality(enqueue_batch.after) > 0 THEN
        j.held := 'after';
    END IF;

    IF v_is_plain THEN
        IF v_new = 1 AND enqueue_batch.metas IS NULL THEN -- the commonest call of all; VALUES is planned once and for all
            IF v_varies THEN
                j.lane := crmd.lane_of(t.keys, j.workspace_id, j.user_id, enqueue_batch.payloads[1]);
            END IF;
            INSERT INTO crmd.job (id, run_at, rank_at, created_at, max_attempts, type, queue, priority, payload, lane,
                                  workspace_id, user_id, parent_id, meta, expires_at)
            VALUES (crmd.uuid7(), j.run_at, j.rank_at, j.created_at, j.max_attempts, j.type, j.queue, j.priority,
                    enqueue_batch.payloads[1], j.lane, j.workspace_id, j.user_id, j.parent_id, j.meta, j.expires_at)
            RETURNING ARRAY[crmd.job.id] INTO ids;
        ELSIF v_texts IS NOT NULL THEN
            ids := crmd.uuid7s(v_new);
            INSERT INTO crmd.job (id, run_at, rank_at, created_at, max_attempts, type, queue, priority, payload, lane,
                                  workspace_id, user_id, parent_id, meta, expires_at)
            SELECT p.id, j.run_at, j.rank_at, j.created_at, j.max_attempts, j.type, j.queue, j.priority, p.payload::jsonb,
                   CASE WHEN v_varies THEN crmd.lane_of(t.keys, j.workspace_id, j.user_id, p.payload::jsonb) ELSE j.lane END,
                   j.workspace_id, j.user_id, j.parent_id, j.meta, j.expires_at
            FROM unnest(ids, v_texts) AS p(id, payload);
        ELSE
            ids := crmd.uuid7s(v_new);
            INSERT INTO crmd.job (id, run_at, rank_at, created_at, max_attempts, type, queue, priority, payload, lane,
                                  workspace_id, user_id, parent_id, meta, expires_at)
            SELECT p.id, j.run_at, j.rank_at, j.created_at, j.max_attempts, j.type, j.queue, j.priority, p.payload,
                   CASE WHEN v_varies THEN crmd.lane_of(t.keys, j.workspace_id, j.user_id, p.payload) ELSE j.lane END,
                   j.workspace_id, j.user_id, j.parent_id,
                   CASE WHEN enqueue_batch.metas IS NULL THEN j.meta
                        ELSE coalesce(j.meta, '{}') || enqueue_batch.metas[p.place] END, j.expires_at
            FROM unnest(ids, enqueue_batch.payloads) WITH ORDINALITY AS p(id, payload, place);
        END IF;
    ELSE
        rule := crmd.rule_of(t, enqueue_batch.unique_scope, enqueue_batch.unique_seconds, enqueue_batch.on_conflict,
                             enqueue_batch.max_delay_seconds);
        rule.is_time_given := enqueue_batch.run_at IS NOT NULL OR enqueue_batch.delay_seconds IS NOT NULL;
        rule.is_priority_given := enqueue_batch.priority IS NOT NULL;
        rule.is_expiry_given := enqueue_batch.expires_at IS NOT NULL OR enqueue_batch.expires_in_seconds IS NOT NULL;
        IF j.held IS NOT NULL AND rule.on_conflict <> 'return' THEN
            RAISE EXCEPTION 'a job that changes another one cannot wait for jobs of its own'
                USING ERRCODE = 'CR003', HINT = 'Leave out "after", or on_conflict.';
        END IF;
        SELECT e.ids, e.answers INTO ids, answers FROM crmd.enqueue_keyed(t, j, rule, enqueue_batch.payloads,
            CASE WHEN t.unique_scope IS NOT NULL OR enqueue_batch.unique_keys IS NOT NULL THEN ARRAY(
                SELECT crmd.unique_key_of(t.name, j.workspace_id, enqueue_batch.unique_keys[p.place], t.unique_fields,
                                          p.payload)
                FROM unnest(enqueue_batch.payloads) WITH ORDINALITY AS p(payload, place) ORDER BY p.place) END) e;
        SELECT count(*) INTO v_new FROM unnest(answers) a WHERE a = 'created';
        IF j.held IS NOT NULL AND v_new > 0 THEN
            PERFORM crmd.hold_after(ARRAY(SELECT w.id FROM unnest(ids, answers) AS w(id, answer)
                                          WHERE w.answer = 'created'), enqueue_batch.after, enqueue_batch.is_after_any);
        END IF;
    END IF;

    IF j.parent_id IS NOT NULL AND v_new > 0 THEN
        INSERT INTO crmd.family AS f (parent_id, total, pending) VALUES (j.parent_id, v_new, v_new)
        ON CONFLICT (parent_id) DO UPDATE SET total = f.total + excluded.total, pending = f.pending + excluded.pending;
    END IF;
    IF (v_new > 0 OR rule.on_conflict <> 'return') AND j.run_at <= j.created_at + interval '10 seconds' THEN
        PERFORM crmd.wake(j.queue);
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION crmd.enqueue_batch FROM PUBLIC;
-- Who might call it may do so again.
SELECT crmd.grant_enqueue(r.rolname)
FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a JOIN pg_roles r ON r.oid = a.grantee
WHERE p.oid = 'crmd.enqueue_many'::regproc AND a.grantee <> p.proowner;
