-- Durable work: steps that are kept, waits for events, jobs that wait for other jobs, batches.
--
-- One thing stands behind all waiting for jobs: a row of crmd.family counts whom a job waits for, and is the lock that
-- decides who lets it go on. The job's word in crmd.job.held says what then becomes of it:
--   children   it has run; it ends with its last child
--   gather     it goes on when its children have ended; the callback of a batch begins
--   after      it begins when the jobs named in crmd.dependency have ended
-- A held row is changed by nobody who does not hold its family's row.

-- What a job has done already: a later attempt reads it instead of doing it again.
CREATE TABLE crmd.step (
    job_id      uuid NOT NULL,
    name        text NOT NULL,               -- with its occurrence from the second on: charge, charge#2
    position    integer,                     -- in the order of the handler's own task; NULL: beside others
    kind        text NOT NULL CHECK (kind IN ('step', 'sleep', 'event', 'gather')),
    result      jsonb,
    fence       bigint NOT NULL,             -- of the claim that did it
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,                 -- of a sleep: when it is over; NULL: children are at work
    PRIMARY KEY (job_id, name)
);

-- Which event a job waits for, and the event once it has come. The claim that resumes makes a step of it.
CREATE TABLE crmd.waiting (
    job_id        uuid NOT NULL,
    step          text NOT NULL,
    fence         bigint NOT NULL,           -- of the claim that waits: only if it was the last may an event wake the job
    event_type    text NOT NULL,
    match         jsonb NOT NULL,            -- the event's data contain it
    probe         bigint NOT NULL,           -- see crmd.probe
    workspace_id  uuid,                      -- NULL: events of every workspace
    since_at      timestamptz NOT NULL,      -- the job's first start: events from then on count
    registered_at timestamptz NOT NULL,
    until_at      timestamptz NOT NULL,      -- infinity: it waits for ever
    is_sure       boolean NOT NULL DEFAULT false, -- no transaction is open any more that may have missed this row
    sure_after    xid8,                      -- when all transactions before this one are over; NULL: not known yet
    event         jsonb,
    PRIMARY KEY (job_id, step)
);
CREATE INDEX waiting_probe ON crmd.waiting (event_type, probe) WHERE event IS NULL;
CREATE INDEX waiting_unsure ON crmd.waiting (registered_at) WHERE NOT is_sure AND event IS NULL;
CREATE INDEX waiting_met ON crmd.waiting (job_id) WHERE event IS NOT NULL;
-- Which events of a type came since an instant.
CREATE INDEX event_type_emitted ON crmd.event (type, emitted_at, id);

-- Which job begins after which. A row goes when the earlier job ends; how many are left is counted in crmd.family.
CREATE TABLE crmd.dependency (
    after_id uuid NOT NULL,
    job_id   uuid NOT NULL,
    is_first boolean NOT NULL,               -- of its call of crmd.hold_after: see crmd.watch_predecessor
    PRIMARY KEY (after_id, job_id)
);
CREATE INDEX dependency_job ON crmd.dependency (job_id);

-- Whether the waiting job is cancelled when one of those it waits for did not complete.
ALTER TABLE crmd.family ADD COLUMN needs_all boolean NOT NULL DEFAULT false;

-- Forgets whom jobs waited for that have ended without them. A row that the end of an earlier job is just taking away
-- is left to that: it holds the row and waits for the family that our caller has locked.
CREATE FUNCTION crmd.forget_dependencies(ids uuid[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog AS $$
    DELETE FROM crmd.dependency d WHERE (d.after_id, d.job_id) IN (
        SELECT w.after_id, w.job_id FROM crmd.dependency w
        WHERE w.job_id = ANY (forget_dependencies.ids) FOR UPDATE SKIP LOCKED)
$$;

-- Moves waiting jobs to the archive as cancelled, frees their keys and answers what crmd.book_ended wants to know: those
-- that are held for no other job, or those that were to come after others. Never those that wait for their children.
CREATE FUNCTION crmd.archive_cancelled(ids uuid[], is_after boolean, reason text, class text DEFAULT 'Cancelled')
RETURNS TABLE (id uuid, parent_id uuid)
LANGUAGE sql VOLATILE SET search_path = pg_catalog AS $$
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
    SELECT k.id, k.parent_id FROM kept k LEFT JOIN freed ON true LEFT JOIN unbound ON true
$$;

-- Tells everybody who waits for jobs that these have ended: their parents, and the jobs that were to come after them.
-- Whoever waits for nobody else any more goes on or ends as its word says (see the head of this file); those that end
-- by it are told of in the next turn of the loop. Rows of crmd.family are locked in order of their id, level by level.
-- ids: jobs of which somebody may wait for the end; NULL where it is known that nobody does. One entry a job in each.
CREATE FUNCTION crmd.book_ended(ids uuid[], parents uuid[], statuses text[], results jsonb[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    v_ids uuid[] := ids;
    v_parents uuid[] := parents;
    v_statuses text[] := statuses;
    v_results jsonb[] := results;
    v_waiters uuid[];
    v_done uuid[];
BEGIN
    LOOP
        WITH ended AS (
            SELECT e.* FROM unnest(v_ids, v_parents, v_statuses, v_results) AS e(id, parent_id, status, result)
        ), come AS (
            DELETE FROM crmd.dependency d WHERE d.after_id = ANY (v_ids) RETURNING d.after_id, d.job_id
        ), told AS (
            SELECT e.parent_id AS waiter, e.status, e.result FROM ended e WHERE e.parent_id IS NOT NULL
            UNION ALL
            SELECT c.job_id, e.status, e.result FROM come c JOIN ended e ON e.id = c.after_id
        )
        SELECT array_agg(t.waiter), array_agg(t.status), array_agg(t.result) INTO v_waiters, v_statuses, v_results
        FROM told t;
        EXIT WHEN v_waiters IS NULL;

        PERFORM FROM crmd.family f WHERE f.parent_id = ANY (v_waiters) ORDER BY f.parent_id FOR UPDATE;
        WITH told AS (
            SELECT t.* FROM unnest(v_waiters, v_statuses, v_results) AS t(parent_id, status, result)
        ), counted AS (
            SELECT parent_id, count(*) AS n,
                   count(*) FILTER (WHERE status = 'completed') AS completed,
                   count(*) FILTER (WHERE status = 'failed') AS failed,
                   count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
                   count(*) FILTER (WHERE status = 'dead') AS dead
            FROM told GROUP BY parent_id
        ), summed AS (
            SELECT parent_id, jsonb_object_agg(key, total) AS sums FROM (
                SELECT c.parent_id, e.key, sum((e.value #>> '{}')::numeric) AS total
                FROM (
                    SELECT parent_id, result FROM told WHERE jsonb_typeof(result) = 'object'
                    UNION ALL
                    SELECT f.parent_id, f.sums FROM crmd.family f WHERE f.parent_id = ANY (v_waiters)
                ) c CROSS JOIN LATERAL jsonb_each(c.result) e
                WHERE jsonb_typeof(e.value) = 'number' GROUP BY c.parent_id, e.key
            ) s GROUP BY parent_id
        )
        UPDATE crmd.family f SET
            pending = f.pending - c.n, completed = f.completed + c.completed, failed = f.failed + c.failed,
            cancelled = f.cancelled + c.cancelled, dead = f.dead + c.dead, sums = coalesce(s.sums, f.sums)
        FROM counted c LEFT JOIN summed s USING (parent_id)
        WHERE f.parent_id = c.parent_id;

        SELECT array_agg(f.parent_id ORDER BY f.parent_id) INTO v_done
        FROM crmd.family f WHERE f.parent_id = ANY (v_waiters)
          AND (f.pending <= 0 OR f.needs_all AND f.completed + f.pending < f.total);
        PERFORM crmd.release(v_done);
        WITH ended AS (
            DELETE FROM crmd.job j USING crmd.family f
            WHERE j.id = ANY (v_done) AND f.parent_id = j.id
              AND (j.held IN ('children', 'gather') AND f.pending <= 0 OR j.held = 'after')
            RETURNING j.*, coalesce(f.cancel_reason, CASE WHEN f.needs_all AND f.completed < f.total THEN
                format('%s of the %s jobs that it waited for did not complete',
                       f.total - f.completed - f.pending, f.total) END) AS reason
        ), kept AS (
            INSERT INTO crmd.archive (id, finished_at, run_at, created_at, started_at, fence, attempt, max_attempts,
                crash_count, snooze_count, status, type, queue, priority, payload, lane, workspace_id, user_id,
                parent_id, unique_key, checkpoint, progress, errors, result, meta)
            SELECT e.id, crmd.clock(), e.run_at, e.created_at, e.started_at, e.fence, e.attempt, e.max_attempts,
                e.crash_count, e.snooze_count, CASE WHEN e.reason IS NULL THEN 'completed' ELSE 'cancelled' END,
                e.type, e.queue, e.priority, e.payload, e.lane, e.workspace_id, e.user_id, e.parent_id, e.unique_key,
                e.checkpoint, e.progress,
                CASE WHEN e.reason IS NULL THEN e.errors
                     ELSE crmd.append_error(e.errors, crmd.cancel_error(e.attempt, e.reason)) END,
                CASE WHEN e.held = 'after' THEN e.result ELSE crmd.parent_result(e.result, f) END, e.meta
            FROM ended e JOIN crmd.family f ON f.parent_id = e.id
            RETURNING id, parent_id, status, result, unique_key
        ), freed AS (
            SELECT crmd.free_keys(array_agg(k.id), array_agg(k.unique_key))
            FROM kept k WHERE k.unique_key IS NOT NULL HAVING count(*) > 0
        ), forgotten AS (
            DELETE FROM crmd.family f USING ended e WHERE f.parent_id = e.id AND e.held = 'after'
        ), unbound AS (
            SELECT crmd.forget_dependencies(array_agg(e.id)) FROM ended e WHERE e.held = 'after' HAVING count(*) > 0
        )
        SELECT array_agg(k.id), array_agg(k.parent_id), array_agg(k.status), array_agg(k.result)
        INTO v_ids, v_parents, v_statuses, v_results FROM kept k LEFT JOIN freed ON true LEFT JOIN unbound ON true;
    END LOOP;
END $$;

-- Lets those jobs go on that were held for others and wait for nobody any more, unless they are to end by it. Their
-- families are locked by the caller. A job that goes on has lived before: its fence says so, and whoever settles it
-- asks for its children.
CREATE FUNCTION crmd.release(ids uuid[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog AS $$
    WITH free AS (
        SELECT f.parent_id AS id FROM crmd.family f
        WHERE f.parent_id = ANY (release.ids) AND f.pending <= 0 AND f.cancel_reason IS NULL
          AND NOT (f.needs_all AND f.completed < f.total)
    ), begun AS (
        UPDATE crmd.job j SET held = NULL FROM free WHERE j.id = free.id AND j.held = 'after' RETURNING j.id, j.queue
    ), resumed AS (
        UPDATE crmd.job j SET held = NULL, fence = greatest(j.fence, 1)
        FROM free WHERE j.id = free.id AND j.held = 'gather' RETURNING j.queue
    ), forgotten AS (
        DELETE FROM crmd.family f USING begun b WHERE f.parent_id = b.id
    )
    SELECT crmd.wake(q.queue) FROM (SELECT queue FROM begun UNION SELECT queue FROM resumed) q
$$;

CREATE OR REPLACE FUNCTION crmd.book_children(parents uuid[], statuses text[], results jsonb[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog AS $$
    SELECT crmd.book_ended(NULL, book_children.parents, book_children.statuses, book_children.results)
$$;

-- Cancels a job and every job below it. A waiting job ends at once; a running one is asked to stop and its daemon
-- is told; one that waits for its children ends, as cancelled, with the last of them that still runs.
-- Answers 'cancelled', 'requested', or the status of a job that is over already; NULL: no such job.
--
-- Waiting jobs are locked before leases, leases before families, families from the leaves to the root: nobody who holds
-- a lease waits for a waiting job, and settling takes leases and families in this order too, so that the two never wait
-- for each other in a circle.
CREATE OR REPLACE FUNCTION crmd.cancel(job_id uuid, reason text DEFAULT 'cancelled by request') RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
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
        SELECT v_ids || array_agg(a.id), v_parents || array_agg(a.parent_id) INTO v_ids, v_parents
        FROM crmd.archive_cancelled(v_tree, true, cancel.reason) a;
        IF v_ids IS NOT NULL THEN
            PERFORM crmd.book_ended(v_ids, v_parents, array_fill('cancelled'::text, ARRAY[cardinality(v_ids)]), NULL);
        END IF;
        EXIT WHEN NOT EXISTS (SELECT FROM crmd.job j WHERE j.id = ANY (v_tree)
                                AND coalesce(j.held, '') NOT IN ('children', 'gather'));
    END LOOP;
    SELECT j.status INTO v_answer FROM crmd.jobs j WHERE j.id = cancel.job_id;
    RETURN CASE v_answer WHEN 'processing' THEN 'requested' ELSE v_answer END;
END $$;

-- Makes jobs that were just enqueued wait until others have ended: well, or they are cancelled with the first that did
-- not; with is_any, however those end. Nothing of an earlier job is locked before the caller's transaction commits, so
-- that a long one holds up nobody's settling: see crmd.watch_predecessor.
CREATE FUNCTION crmd.hold_after(ids uuid[], after uuid[], is_any boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_unknown uuid;
BEGIN
    IF coalesce(cardinality(hold_after.ids), 0) = 0 THEN
        RETURN;
    END IF;
    SELECT a.id INTO v_unknown FROM unnest(hold_after.after) AS a(id) CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM crmd.jobs j WHERE j.id = a.id AND EXISTS (
            SELECT FROM crmd.job d WHERE d.id = hold_after.ids[1]
              AND (d.workspace_id IS NULL OR j.workspace_id IS NULL OR d.workspace_id = j.workspace_id))) seen
    WHERE a.id IS NULL OR seen.n = 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no job % to come after', coalesce(v_unknown::text, 'NULL')
            USING ERRCODE = 'CR008', HINT = 'Name jobs that were enqueued before, of the same workspace.';
    END IF;
    UPDATE crmd.job j SET held = CASE WHEN cardinality(hold_after.after) > 0 THEN 'after' END
    WHERE j.id = ANY (hold_after.ids) AND coalesce(j.held, 'after') = 'after';
    WITH added AS (
        INSERT INTO crmd.dependency (after_id, job_id, is_first)
        SELECT a.id, d.id, d.id = hold_after.ids[1] FROM unnest(hold_after.after) AS a(id), unnest(hold_after.ids) AS d(id)
        ORDER BY a.id ON CONFLICT DO NOTHING RETURNING job_id
    )
    INSERT INTO crmd.family AS f (parent_id, total, pending, needs_all)
    SELECT a.job_id, count(*), count(*), NOT hold_after.is_any FROM added a GROUP BY a.job_id ORDER BY a.job_id
    ON CONFLICT (parent_id) DO UPDATE SET total = f.total + excluded.total, pending = f.pending + excluded.pending;
END $$;

-- As the transaction commits that makes jobs wait for an earlier one: marks that one, wherever it stands, so that
-- whoever ends it knows that somebody waits; or books its end, when it is over. Its row is locked for the length of a
-- commit: who ends it meanwhile sees the rows of crmd.dependency afterwards.
CREATE FUNCTION crmd.watch_predecessor() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    c_mark CONSTANT jsonb := '{"isAwaited": true}';
    v_is_marked boolean;
    v_status text;
    v_result jsonb;
BEGIN
    LOOP
        SELECT j.meta @> c_mark INTO v_is_marked FROM crmd.job j WHERE j.id = NEW.after_id FOR KEY SHARE;
        IF FOUND AND v_is_marked THEN
            RETURN NULL;
        END IF;
        UPDATE crmd.job j SET meta = coalesce(j.meta, '{}') || c_mark WHERE j.id = NEW.after_id;
        IF FOUND THEN
            RETURN NULL;
        END IF;
        SELECT l.meta @> c_mark INTO v_is_marked FROM crmd.lease l WHERE l.id = NEW.after_id FOR KEY SHARE;
        IF FOUND AND v_is_marked THEN
            RETURN NULL;
        END IF;
        UPDATE crmd.lease l SET meta = coalesce(l.meta, '{}') || c_mark WHERE l.id = NEW.after_id;
        IF FOUND THEN
            RETURN NULL;
        END IF;
        SELECT a.status, a.result INTO v_status, v_result FROM crmd.archive a WHERE a.id = NEW.after_id;
        IF FOUND THEN
            PERFORM crmd.book_ended(ARRAY[NEW.after_id], NULL, ARRAY[v_status], ARRAY[v_result]);
            RETURN NULL;
        END IF;
        -- It moved between two of these looks; or retention has dropped it, and then it has ended, nobody knows how.
        IF NOT EXISTS (SELECT FROM crmd.jobs j WHERE j.id = NEW.after_id) THEN
            PERFORM crmd.book_ended(ARRAY[NEW.after_id], NULL, ARRAY['cancelled'], ARRAY[NULL::jsonb]);
            RETURN NULL;
        END IF;
    END LOOP;
END $$;
-- One row of each call stands for all that wait for the same job.
CREATE CONSTRAINT TRIGGER dependency_watch AFTER INSERT ON crmd.dependency DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.is_first) EXECUTE FUNCTION crmd.watch_predecessor();

-- Makes a running job count others as its children that are not: jobs that held the unique key of a child it started.
CREATE FUNCTION crmd.count_as_children(parent_id uuid, ids uuid[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog AS $$
    WITH added AS (
        INSERT INTO crmd.dependency (after_id, job_id, is_first)
        SELECT DISTINCT i.id, count_as_children.parent_id, true FROM unnest(count_as_children.ids) AS i(id) ORDER BY i.id
        ON CONFLICT DO NOTHING RETURNING 1
    )
    INSERT INTO crmd.family AS f (parent_id, total, pending)
    SELECT count_as_children.parent_id, count(*), count(*) FROM added
    ON CONFLICT (parent_id) DO UPDATE SET total = f.total + excluded.total, pending = f.pending + excluded.pending
$$;

-- Enqueues jobs of several types, [{"type": …, "payload": {…}}], as children of another; answers ids in their order.
CREATE FUNCTION crmd.enqueue_children(parent_id uuid, jobs jsonb, workspace_id uuid, user_id uuid, meta jsonb)
RETURNS TABLE (place integer, id uuid, is_new boolean)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    t record;
    e record;
BEGIN
    FOR t IN
        SELECT j.item ->> 'type' AS type, array_agg(coalesce(j.item -> 'payload', '{}') ORDER BY j.place) AS payloads,
               array_agg(j.place::integer ORDER BY j.place) AS places
        FROM jsonb_array_elements(enqueue_children.jobs) WITH ORDINALITY AS j(item, place) GROUP BY 1 ORDER BY 1
    LOOP
        FOR e IN SELECT * FROM crmd.enqueue_many(
            t.type, t.payloads, workspace_id => enqueue_children.workspace_id, user_id => enqueue_children.user_id,
            parent_id => enqueue_children.parent_id, meta => enqueue_children.meta)
        LOOP
            IF e.answer = 'rejected' THEN
                RAISE EXCEPTION 'a full limit rejected a job of type "%"', t.type USING ERRCODE = 'CR010',
                    HINT = 'None of the jobs was enqueued; try again later.';
            END IF;
            place := t.places[e.place];
            id := e.id;
            is_new := e.is_new;
            RETURN NEXT;
        END LOOP;
    END LOOP;
END $$;

-- Enqueues jobs that belong together, and who is told of their end: on_success runs once all have completed and is
-- cancelled when one did not; on_finish runs after that, or once all have ended, however they did. Each job is
-- {"type": …, "payload": {…}}. Answers the batch's id, which is that of the callback that waits for it.
CREATE FUNCTION crmd.batch(
    jobs jsonb,
    on_success jsonb DEFAULT NULL,
    on_finish jsonb DEFAULT NULL,
    workspace_id uuid DEFAULT NULL,
    user_id uuid DEFAULT NULL,
    meta jsonb DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_first jsonb := coalesce(on_success, on_finish);
    v_batch record;
    v_last uuid;
BEGIN
    IF v_first IS NULL THEN
        RAISE EXCEPTION 'a batch without on_success and on_finish tells nobody of its end'
            USING ERRCODE = 'CR009', HINT = 'Name a job for one of them, or enqueue the jobs without a batch.';
    END IF;
    SELECT e.id, e.is_new INTO v_batch FROM crmd.enqueue_many(
        v_first ->> 'type', ARRAY[coalesce(v_first -> 'payload', '{}')], workspace_id => batch.workspace_id,
        user_id => batch.user_id, meta => coalesce(batch.meta, '{}') || '{"isBatch": true}') e;
    IF NOT v_batch.is_new THEN
        RAISE EXCEPTION 'the callback "%" is unique, and its job exists already', v_first ->> 'type'
            USING ERRCODE = 'CR009', HINT = 'Give the callback a payload that differs for each batch.';
    END IF;
    UPDATE crmd.job SET held = 'gather' WHERE id = v_batch.id;
    INSERT INTO crmd.family (parent_id, needs_all) VALUES (v_batch.id, on_success IS NOT NULL);
    PERFORM FROM crmd.enqueue_children(v_batch.id, batch.jobs, batch.workspace_id, batch.user_id,
                                       coalesce(batch.meta, '{}') || jsonb_build_object('batchId', v_batch.id));
    PERFORM crmd.release(ARRAY[v_batch.id]); -- at once when there are no jobs
    IF on_success IS NOT NULL AND on_finish IS NOT NULL THEN
        SELECT e.id INTO v_last FROM crmd.enqueue_many(
            on_finish ->> 'type', ARRAY[coalesce(on_finish -> 'payload', '{}')], workspace_id => batch.workspace_id,
            user_id => batch.user_id, meta => coalesce(batch.meta, '{}') || jsonb_build_object('batchId', v_batch.id)) e;
        PERFORM crmd.hold_after(ARRAY[v_last], ARRAY[v_batch.id], true);
    END IF;
    RETURN v_batch.id;
END $$;

-- Adds jobs to a batch that has not finished; one of its own jobs may always do so, since the batch waits for it too.
-- Answers their ids, in order.
CREATE FUNCTION crmd.batch_add(batch_id uuid, jobs jsonb) RETURNS SETOF uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    b crmd.job;
BEGIN
    PERFORM FROM crmd.family f WHERE f.parent_id = batch_add.batch_id FOR UPDATE;
    SELECT j.* INTO b FROM crmd.job j WHERE j.id = batch_add.batch_id AND j.held = 'gather' AND j.meta ? 'isBatch';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no unfinished batch %', batch_add.batch_id
            USING ERRCODE = 'CR009', HINT = 'Begin a new one: crmd.batch.';
    END IF;
    RETURN QUERY SELECT c.id FROM crmd.enqueue_children(
        b.id, batch_add.jobs, b.workspace_id, b.user_id, b.meta - 'isBatch' || jsonb_build_object('batchId', b.id)) c
        ORDER BY c.place;
END $$;

-- One field of what a wait matches, as a number; 0 when none will do. An event is compared with those waits alone
-- whose number is that of one of its own fields.
CREATE FUNCTION crmd.probe(field text, value jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(value) IN ('string', 'number', 'boolean')
                THEN jsonb_hash_extended(jsonb_build_object(field, value), 0) ELSE 0 END
$$;

-- What a waiting job is handed: the event, in camelCase.
CREATE FUNCTION crmd.event_value(e crmd.event) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('id', e.id, 'type', e.type, 'data', e.data, 'emittedAt', e.emitted_at,
        'workspaceId', e.workspace_id, 'userId', e.user_id, 'aggregateType', e.aggregate_type,
        'aggregateId', e.aggregate_id, 'metadata', e.metadata)
$$;

-- Hands to each of some jobs the first event that it waits for, of those that are there already; never one that an
-- earlier wait of the job was handed. A wait that an emitter is just handing its event is left to it. With a reach it
-- looks no further back than so long before the wait began; it reads the events of the type since then.
CREATE FUNCTION crmd.look_back(ids uuid[], reach interval DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog AS $$
    UPDATE crmd.waiting w SET event = f.event FROM (
        SELECT w.job_id, w.step, crmd.event_value(e) AS event
        FROM (SELECT * FROM crmd.waiting w WHERE w.job_id = ANY (look_back.ids) AND w.event IS NULL
              ORDER BY w.job_id, w.step FOR UPDATE SKIP LOCKED) w
        CROSS JOIN LATERAL (
            SELECT e.* FROM crmd.event e
            WHERE e.type = w.event_type AND e.data @> w.match
              AND e.emitted_at >= greatest(w.since_at, w.registered_at - look_back.reach)
              AND (w.workspace_id IS NULL OR e.workspace_id = w.workspace_id)
              AND NOT EXISTS (SELECT FROM crmd.step s WHERE s.job_id = w.job_id AND s.kind = 'event'
                                AND s.result ->> 'id' = e.id::text)
            ORDER BY e.emitted_at, e.id LIMIT 1) e
    ) f WHERE w.job_id = f.job_id AND w.step = f.step
$$;

-- Makes jobs due whose event has come, as far as they are back in crmd.job and nobody else is at their row: a claim or
-- a cancellation that is has its own reasons, and crmd.sweep_waiting looks again.
CREATE FUNCTION crmd.wake_met(ids uuid[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    v_now timestamptz := crmd.clock();
    v_queues text[];
BEGIN
    WITH due AS (
        UPDATE crmd.job j SET run_at = v_now, rank_at = v_now - crmd.head_start(j.priority)
        WHERE j.id = ANY (ARRAY(
            SELECT k.id FROM crmd.job k JOIN crmd.waiting w ON w.job_id = k.id AND w.fence = k.fence
            WHERE k.id = ANY (wake_met.ids) AND w.event IS NOT NULL AND k.run_at > v_now
            FOR UPDATE OF k SKIP LOCKED))
        RETURNING j.queue
    )
    SELECT array_agg(d.queue) INTO v_queues FROM due d;
    PERFORM crmd.wake(q) FROM (SELECT DISTINCT q FROM unnest(v_queues) q) q(q);
    RETURN coalesce(cardinality(v_queues), 0);
END $$;

-- Hands new events of one type to the jobs that wait for them, the first to each, and makes those due. Called by
-- crmd.emit_many with the events that it has just written; costs one look into an index when nobody waits.
CREATE FUNCTION crmd.resume_waiting(event_type text, event_ids uuid[], emitted_at timestamptz) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_jobs uuid[];
    v_steps text[];
    v_events jsonb[];
BEGIN
    IF NOT EXISTS (SELECT FROM crmd.waiting w WHERE w.event_type = resume_waiting.event_type AND w.event IS NULL) THEN
        RETURN 0;
    END IF;
    SELECT array_agg(n.job_id), array_agg(n.step), array_agg(n.event) INTO v_jobs, v_steps, v_events FROM (
        SELECT DISTINCT ON (w.job_id, w.step) w.job_id, w.step, crmd.event_value(e) AS event
        FROM crmd.event e
        CROSS JOIN LATERAL (
            SELECT 0::bigint AS probe UNION SELECT crmd.probe(d.key, d.value) FROM jsonb_each(e.data) d
        ) p
        CROSS JOIN LATERAL ( -- by the index, however many wait for other events of the type
            SELECT c.* FROM crmd.waiting c
            WHERE c.event_type = resume_waiting.event_type AND c.probe = p.probe AND c.event IS NULL OFFSET 0
        ) w
        WHERE e.id = ANY (resume_waiting.event_ids) AND e.emitted_at = resume_waiting.emitted_at
          AND e.type = resume_waiting.event_type AND e.data @> w.match
          AND (w.workspace_id IS NULL OR e.workspace_id = w.workspace_id)
        ORDER BY w.job_id, w.step, e.id) n;
    IF v_jobs IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM FROM unnest(v_jobs, v_steps) AS n(job_id, step) JOIN crmd.waiting w USING (job_id, step)
    ORDER BY w.job_id, w.step FOR UPDATE OF w;
    UPDATE crmd.waiting w SET event = n.event FROM unnest(v_jobs, v_steps, v_events) AS n(job_id, step, event)
    WHERE w.job_id = n.job_id AND w.step = n.step AND w.event IS NULL;
    RETURN crmd.wake_met(v_jobs);
END $$;

-- Looks after what emitters and waiters can miss of each other. A wait and an event whose transactions overlap do not
-- see each other: such a wait looks back until every transaction is over that was open when it was first seen. And a
-- job whose event came while its row was out of reach is made due. Answers how many jobs were.
CREATE FUNCTION crmd.sweep_waiting(rows_max integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    c_soon CONSTANT interval := '10 seconds'; -- looked at each time for so long, whoever else's transaction is open
    c_reach CONSTANT interval := '1 hour';    -- a transaction that emits is not open for longer
    v_ids uuid[];
BEGIN
    WITH seen AS (
        SELECT w.job_id, w.step FROM crmd.waiting w
        WHERE NOT w.is_sure AND w.event IS NULL AND (w.sure_after IS NULL
            OR w.sure_after <= pg_snapshot_xmin(pg_current_snapshot()) OR w.registered_at > crmd.clock() - c_soon)
        ORDER BY w.registered_at LIMIT sweep_waiting.rows_max FOR UPDATE SKIP LOCKED
    ), noted AS (
        UPDATE crmd.waiting w SET sure_after = coalesce(w.sure_after, pg_current_xact_id()),
            is_sure = coalesce(w.sure_after <= pg_snapshot_xmin(pg_current_snapshot()), false)
        FROM seen s WHERE w.job_id = s.job_id AND w.step = s.step
        RETURNING w.job_id
    )
    SELECT array_agg(n.job_id) INTO v_ids FROM noted n;
    IF v_ids IS NOT NULL THEN
        PERFORM crmd.look_back(v_ids, c_reach); -- a younger snapshot than that which called a wait sure
    END IF;
    RETURN crmd.wake_met(ARRAY(
        SELECT w.job_id FROM crmd.waiting w JOIN crmd.job j ON j.id = w.job_id AND j.fence = w.fence
        WHERE w.event IS NOT NULL AND j.run_at > crmd.clock() ORDER BY w.job_id LIMIT sweep_waiting.rows_max));
END $$;

-- What a handler that waits for an event does under its token: it registers the wait, or finds how it stands. Answers
-- no row when the lease is lost; else the event, or NULL with the seconds that are left: NULL for ever, 0 when the time
-- is over. An event that came and a time that is over are kept as the step's outcome.
CREATE FUNCTION crmd.wait_for_event(p_id uuid, p_fence bigint, p_claim_id uuid, p_step text, p_position integer,
                                    p_type text, p_match jsonb, p_timeout_seconds double precision)
RETURNS TABLE (event jsonb, seconds double precision)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    c_again CONSTANT double precision := 1; -- an emitter is just at the row: look again after so many seconds
    v_now timestamptz := crmd.clock();
    l crmd.lease;
    w crmd.waiting;
BEGIN
    SELECT * INTO l FROM crmd.lease WHERE id = p_id AND fence = p_fence AND claim_id = p_claim_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    INSERT INTO crmd.waiting AS w (job_id, step, fence, event_type, match, probe, workspace_id, since_at, registered_at,
                                   until_at)
    SELECT p_id, p_step, p_fence, p_type, p_match, coalesce((
               SELECT crmd.probe(m.key, m.value) FROM jsonb_each(p_match) m ORDER BY crmd.probe(m.key, m.value) = 0, m.key
               LIMIT 1), 0), l.workspace_id, l.started_at, v_now,
           coalesce(v_now + make_interval(secs => p_timeout_seconds), 'infinity')
    ON CONFLICT DO NOTHING;
    PERFORM crmd.look_back(ARRAY[p_id]);
    SELECT * INTO w FROM crmd.waiting WHERE job_id = p_id AND step = p_step FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN QUERY SELECT NULL::jsonb, c_again;
        RETURN;
    END IF;
    IF w.event IS NULL AND w.until_at > v_now THEN
        UPDATE crmd.waiting SET fence = p_fence WHERE job_id = p_id AND step = p_step AND fence <> p_fence;
        RETURN QUERY SELECT NULL::jsonb, CASE WHEN isfinite(w.until_at)
            THEN greatest(extract(epoch FROM w.until_at - v_now)::double precision, 0.001) END;
        RETURN;
    END IF;
    DELETE FROM crmd.waiting WHERE job_id = p_id AND step = p_step;
    INSERT INTO crmd.step (job_id, name, position, kind, result, fence, started_at, finished_at)
    VALUES (p_id, p_step, p_position, 'event', coalesce(w.event, 'null'), p_fence, w.registered_at, v_now);
    UPDATE crmd.lease SET crash_count = 1 WHERE id = p_id;
    RETURN QUERY SELECT w.event, 0::double precision;
END $$;

-- What a waiting job waits for besides its time and its turn, in a few words for people; NULL: nothing.
CREATE FUNCTION crmd.waits_for(job_id uuid, held text) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT CASE waits_for.held
        WHEN 'after' THEN jsonb_build_object('after', (SELECT jsonb_agg(d.after_id) FROM (
            SELECT d.after_id FROM crmd.dependency d WHERE d.job_id = waits_for.job_id ORDER BY 1 LIMIT 20) d))
        WHEN 'gather' THEN jsonb_build_object('children', (
            SELECT f.pending FROM crmd.family f WHERE f.parent_id = waits_for.job_id))
        WHEN 'children' THEN jsonb_build_object('children', (
            SELECT f.pending FROM crmd.family f WHERE f.parent_id = waits_for.job_id))
        ELSE coalesce(
            (SELECT jsonb_build_object('event', w.event_type, 'match', w.match,
                                       'until', CASE WHEN isfinite(w.until_at) THEN w.until_at END)
             FROM crmd.waiting w WHERE w.job_id = waits_for.job_id AND w.event IS NULL ORDER BY w.registered_at LIMIT 1),
            (SELECT jsonb_build_object('sleep', s.name, 'until', s.finished_at)
             FROM crmd.step s WHERE s.job_id = waits_for.job_id AND s.kind = 'sleep' AND s.finished_at > crmd.clock()
             ORDER BY s.finished_at LIMIT 1),
            CASE WHEN waits_for.held IS NOT NULL THEN jsonb_build_object('held', waits_for.held) END)
    END
$$;

CREATE OR REPLACE VIEW crmd.jobs WITH (security_invoker = true) AS
    SELECT j.id, CASE WHEN j.held IN ('children', 'gather') THEN 'processing'
                      WHEN j.run_at > crmd.clock() THEN 'scheduled' ELSE 'pending' END AS status,
        j.type, j.queue, j.priority, j.payload, j.workspace_id, j.user_id, j.parent_id, j.attempt, j.max_attempts,
        j.crash_count, j.snooze_count, j.fence, j.lane, j.held, j.run_at, j.created_at, j.started_at,
        NULL::timestamptz AS finished_at, NULL::uuid AS daemon_id, NULL::timestamptz AS cancel_requested_at,
        j.checkpoint, j.progress, j.errors, j.result, j.meta, j.expires_at, crmd.waits_for(j.id, j.held) AS waits_for
    FROM crmd.job j
    UNION ALL
    SELECT l.id, 'processing', l.type, l.queue, l.priority, l.payload, l.workspace_id, l.user_id, l.parent_id,
        l.attempt, l.max_attempts, l.crash_count, l.snooze_count, l.fence, l.lane, NULL, l.run_at, l.created_at,
        l.started_at, NULL, l.daemon_id, l.cancel_requested_at, l.checkpoint, l.progress, l.errors, NULL, l.meta, NULL,
        NULL
    FROM crmd.lease l
    UNION ALL
    SELECT a.id, a.status, a.type, a.queue, a.priority, a.payload, a.workspace_id, a.user_id, a.parent_id,
        a.attempt, a.max_attempts, a.crash_count, a.snooze_count, a.fence, a.lane, NULL, a.run_at, a.created_at,
        a.started_at, a.finished_at, NULL, NULL, a.checkpoint, a.progress, a.errors, a.result, a.meta, NULL, NULL
    FROM crmd.archive a;

REVOKE EXECUTE ON FUNCTION crmd.forget_dependencies, crmd.archive_cancelled, crmd.book_ended, crmd.release,
    crmd.hold_after, crmd.watch_predecessor, crmd.count_as_children, crmd.enqueue_children, crmd.batch, crmd.batch_add, crmd.probe,
    crmd.event_value, crmd.look_back, crmd.wake_met, crmd.resume_waiting, crmd.sweep_waiting, crmd.wait_for_event,
    crmd.waits_for FROM PUBLIC;

-- Lets a role of an application enqueue, make batches, cancel and emit inside its own transactions. Who could enqueue
-- before can make batches, too.
CREATE OR REPLACE FUNCTION crmd.grant_enqueue(role_name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA crmd TO %I', role_name);
    EXECUTE format('GRANT EXECUTE ON FUNCTION crmd.enqueue, crmd.enqueue_many, crmd.batch, crmd.batch_add, crmd.cancel, '
                   'crmd.emit, crmd.emit_many TO %I', role_name);
END $$;
SELECT crmd.grant_enqueue(r.rolname)
FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a JOIN pg_roles r ON r.oid = a.grantee
WHERE p.oid = 'crmd.enqueue_many'::regproc AND a.grantee <> p.proowner;
