-- What any language may call inside its own transaction: crmd.enqueue, crmd.enqueue_many, crmd.cancel, crmd.emit.
-- They run with their owner's rights, so that a role which may call them needs no rights on the tables.

-- Tells a sleeping daemon that there is work. A hint only: polling finds the work anyway, so nothing is sent while
-- every daemon is awake, and a busy system never pays for the lock that NOTIFY takes at commit.
CREATE FUNCTION crmd.wake(queue_name text DEFAULT '*') RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF EXISTS (SELECT FROM crmd.daemon d WHERE NOT d.is_dead AND cardinality(d.idle_queues) > 0
                 AND (queue_name = ANY (d.idle_queues) OR queue_name = '*')) THEN
        PERFORM pg_notify('crmd_wake', queue_name);
    END IF;
END $$;

-- One value of a key, safe to be split by blanks and slashes later.
CREATE FUNCTION crmd.key_value(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN value ~ '^[A-Za-z0-9_.:@+-]{1,100}$' THEN value ELSE md5(value) END
$$;

-- A job's lane: every key it must pass, joined by blanks; NULL when it has none. A key is the name of a limit, or
-- name/value where the limit counts per workspace, user or field of the payload. Each key is a gate as well.
CREATE FUNCTION crmd.lane_of(keys jsonb, workspace_id uuid, user_id uuid, payload jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT string_agg(
        CASE WHEN k.key ->> 'per' IS NULL THEN k.key ->> 'name'
             ELSE (k.key ->> 'name') || '/' || crmd.key_value(v.value) END, ' ' ORDER BY k.place)
    FROM jsonb_array_elements(keys) WITH ORDINALITY AS k(key, place)
    CROSS JOIN LATERAL (SELECT CASE k.key ->> 'per'
        WHEN 'workspace' THEN workspace_id::text
        WHEN 'user' THEN user_id::text
        ELSE payload ->> (k.key ->> 'per') END) AS v(value)
    WHERE k.key ->> 'per' IS NULL OR v.value IS NOT NULL
$$;

-- Enqueues one job per payload, all of one type. Answers one row per payload, in order: the job's id, and whether it
-- is new (false: a unique key was taken, and the id is that of the job that holds it).
CREATE FUNCTION crmd.enqueue_many(
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
    unique_scope text DEFAULT NULL
) RETURNS TABLE (place integer, id uuid, is_new boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    t crmd.job_type;
    v_now timestamptz := crmd.clock();
    v_run_at timestamptz := coalesce(enqueue_many.run_at, v_now);
    v_priority text;
    v_rank_at timestamptz;
    v_queue text;
    v_is_unique boolean;
    v_ids uuid[];
    v_keys text[];
    v_holders uuid[];
    v_won integer;
    v_new integer := 0;
BEGIN
    SELECT * INTO t FROM crmd.job_type j WHERE j.name = enqueue_many.type;
    IF NOT FOUND THEN
        SELECT * INTO t FROM crmd.job_type j WHERE enqueue_many.type = ANY (j.aliases);
    END IF;
    IF t.name IS NULL THEN
        RAISE EXCEPTION 'no job type "%" is registered', enqueue_many.type
            USING ERRCODE = 'CR001', HINT = 'List the registered ones: SELECT name FROM crmd.job_type.';
    END IF;
    v_priority := coalesce(enqueue_many.priority, t.priority);
    IF crmd.head_start(v_priority) IS NULL THEN
        RAISE EXCEPTION 'priority "%" is none of critical, high, normal, low', v_priority USING ERRCODE = 'CR002';
    END IF;
    v_queue := coalesce(enqueue_many.queue, t.queue);
    v_rank_at := v_run_at - crmd.head_start(v_priority);
    v_is_unique := t.unique_scope IS NOT NULL OR enqueue_many.unique_keys IS NOT NULL;

    IF NOT v_is_unique THEN
        RETURN QUERY
        WITH added AS (
            INSERT INTO crmd.job (id, run_at, rank_at, created_at, max_attempts, type, queue, priority, payload, lane,
                                  workspace_id, user_id, parent_id, meta)
            SELECT crmd.uuid7(), v_run_at, v_rank_at, v_now, coalesce(enqueue_many.max_attempts, t.max_attempts),
                   t.name, v_queue, v_priority, p.payload,
                   crmd.lane_of(t.keys, enqueue_many.workspace_id, enqueue_many.user_id, p.payload),
                   enqueue_many.workspace_id, enqueue_many.user_id, enqueue_many.parent_id, enqueue_many.meta
            FROM unnest(enqueue_many.payloads) WITH ORDINALITY AS p(payload, place)
            ORDER BY p.place
            RETURNING crmd.job.id
        )
        SELECT (row_number() OVER ())::integer, a.id, true FROM added a;
        v_new := cardinality(enqueue_many.payloads);
    ELSE
        SELECT array_agg(crmd.uuid7() ORDER BY p.place), array_agg(
               t.name || '/' || coalesce(enqueue_many.workspace_id::text, '') || '/' || coalesce(
                   enqueue_many.unique_keys[p.place],
                   md5(CASE WHEN t.unique_fields IS NULL THEN p.payload::text
                       ELSE (SELECT coalesce(jsonb_object_agg(f, p.payload -> f), '{}')::text
                             FROM unnest(t.unique_fields) f) END)) ORDER BY p.place)
        INTO v_ids, v_keys
        FROM unnest(enqueue_many.payloads) WITH ORDINALITY AS p(payload, place);
        PERFORM FROM crmd.unique_key u WHERE u.key = ANY (v_keys) AND u.expires_at <= v_now ORDER BY u.key FOR UPDATE;
        DELETE FROM crmd.unique_key u WHERE u.key = ANY (v_keys) AND u.expires_at <= v_now;
        -- Who finds a key taken must not lock it: its holder's end would wait for this transaction, however long that
        -- lives. So the key may be gone by the time its holder is asked for; then it is tried for again.
        WHILE v_holders IS NULL OR array_position(v_holders, NULL) IS NOT NULL LOOP
            -- Keys are taken in one order by everybody, so that two enqueuers never wait for each other in a circle.
            WITH wanted AS (
                SELECT w.* FROM unnest(v_ids, v_keys, enqueue_many.payloads)
                    WITH ORDINALITY AS w(id, key, payload, place) WHERE v_holders[w.place] IS NULL
            ), won AS (
                INSERT INTO crmd.unique_key AS u (key, job_id, scope, expires_at)
                SELECT DISTINCT ON (w.key) w.key, w.id, coalesce(enqueue_many.unique_scope, t.unique_scope, 'unfinished'),
                       CASE WHEN t.unique_scope = 'for' THEN v_now + make_interval(secs => t.unique_seconds)
                            ELSE 'infinity' END
                FROM wanted w ORDER BY w.key, w.place
                ON CONFLICT DO NOTHING
                RETURNING u.job_id
            )
            INSERT INTO crmd.job (id, run_at, rank_at, created_at, max_attempts, type, queue, priority, payload, lane,
                                  workspace_id, user_id, parent_id, unique_key, meta)
            SELECT w.id, v_run_at, v_rank_at, v_now, coalesce(enqueue_many.max_attempts, t.max_attempts),
                   t.name, v_queue, v_priority, w.payload,
                   crmd.lane_of(t.keys, enqueue_many.workspace_id, enqueue_many.user_id, w.payload),
                   enqueue_many.workspace_id, enqueue_many.user_id, enqueue_many.parent_id, w.key, enqueue_many.meta
            FROM wanted w JOIN won ON won.job_id = w.id ORDER BY w.place;
            GET DIAGNOSTICS v_won = ROW_COUNT;
            v_new := v_new + v_won;
            -- A statement of its own: its snapshot sees the key of whoever won the race.
            SELECT array_agg(coalesce(v_holders[w.place], u.job_id) ORDER BY w.place) INTO v_holders
            FROM unnest(v_keys) WITH ORDINALITY AS w(key, place) LEFT JOIN crmd.unique_key u ON u.key = w.key;
        END LOOP;
        RETURN QUERY SELECT w.place::integer, v_holders[w.place], v_holders[w.place] = w.id
            FROM unnest(v_ids) WITH ORDINALITY AS w(id, place) ORDER BY w.place;
    END IF;

    IF enqueue_many.parent_id IS NOT NULL AND v_new > 0 THEN
        INSERT INTO crmd.family AS f (parent_id, total, pending) VALUES (enqueue_many.parent_id, v_new, v_new)
        ON CONFLICT (parent_id) DO UPDATE SET total = f.total + excluded.total, pending = f.pending + excluded.pending;
    END IF;
    IF v_new > 0 AND v_run_at <= v_now + interval '10 seconds' THEN
        PERFORM crmd.wake(v_queue);
    END IF;
END $$;

-- Enqueues one job and answers its id. With a unique key that is taken: the id of the job that holds it.
CREATE FUNCTION crmd.enqueue(
    type text,
    payload jsonb DEFAULT '{}',
    workspace_id uuid DEFAULT NULL,
    user_id uuid DEFAULT NULL,
    run_at timestamptz DEFAULT NULL,
    priority text DEFAULT NULL,
    queue text DEFAULT NULL,
    unique_key text DEFAULT NULL,
    max_attempts integer DEFAULT NULL
) RETURNS uuid LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT e.id FROM crmd.enqueue_many(
        enqueue.type, ARRAY[enqueue.payload], enqueue.workspace_id, enqueue.user_id, enqueue.run_at,
        enqueue.priority, enqueue.queue,
        CASE WHEN enqueue.unique_key IS NOT NULL THEN ARRAY[enqueue.unique_key] END,
        NULL, enqueue.max_attempts) e
$$;

-- Books finished children with their parents, and ends each parent whose last child this was and that waits for it.
-- Parents of parents follow in the next turn of the loop. Rows of crmd.family are locked in order of their id.
CREATE FUNCTION crmd.book_children(parents uuid[], statuses text[], results jsonb[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    v_parents uuid[] := parents;
    v_statuses text[] := statuses;
    v_results jsonb[] := results;
    v_done uuid[];
BEGIN
    WHILE cardinality(v_parents) > 0 LOOP
        PERFORM FROM crmd.family f WHERE f.parent_id = ANY (v_parents) ORDER BY f.parent_id FOR UPDATE;
        WITH child AS (
            SELECT c.* FROM unnest(v_parents, v_statuses, v_results) AS c(parent_id, status, result)
        ), counted AS (
            SELECT parent_id, count(*) AS n,
                   count(*) FILTER (WHERE status = 'completed') AS completed,
                   count(*) FILTER (WHERE status = 'failed') AS failed,
                   count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
                   count(*) FILTER (WHERE status = 'dead') AS dead
            FROM child GROUP BY parent_id
        ), summed AS (
            SELECT parent_id, jsonb_object_agg(key, total) AS sums FROM (
                SELECT c.parent_id, e.key, sum((e.value #>> '{}')::numeric) AS total
                FROM (
                    SELECT parent_id, result FROM child WHERE jsonb_typeof(result) = 'object'
                    UNION ALL
                    SELECT f.parent_id, f.sums FROM crmd.family f WHERE f.parent_id = ANY (v_parents)
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
        FROM crmd.family f WHERE f.parent_id = ANY (v_parents) AND f.pending <= 0;
        WITH ended AS (
            DELETE FROM crmd.job j WHERE j.id = ANY (v_done) AND j.held = 'children' RETURNING j.*
        ), kept AS (
            INSERT INTO crmd.archive (id, finished_at, run_at, created_at, started_at, fence, attempt, max_attempts,
                crash_count, snooze_count, status, type, queue, priority, payload, lane, workspace_id, user_id,
                parent_id, unique_key, checkpoint, progress, errors, result, meta)
            SELECT e.id, crmd.clock(), e.run_at, e.created_at, e.started_at, e.fence, e.attempt, e.max_attempts,
                e.crash_count, e.snooze_count, CASE WHEN f.cancel_reason IS NULL THEN 'completed' ELSE 'cancelled' END,
                e.type, e.queue, e.priority, e.payload, e.lane, e.workspace_id, e.user_id, e.parent_id, e.unique_key,
                e.checkpoint, e.progress,
                CASE WHEN f.cancel_reason IS NULL THEN e.errors
                     ELSE crmd.append_error(e.errors, crmd.cancel_error(e.attempt, f.cancel_reason)) END,
                crmd.parent_result(e.result, f), e.meta
            FROM ended e JOIN crmd.family f ON f.parent_id = e.id
            RETURNING id, parent_id, status, result
        ), freed AS (
            DELETE FROM crmd.unique_key u USING ended e
            WHERE u.key = e.unique_key AND u.job_id = e.id AND u.expires_at = 'infinity'
        )
        SELECT array_agg(k.parent_id), array_agg(k.status), array_agg(k.result)
        INTO v_parents, v_statuses, v_results
        FROM kept k WHERE k.parent_id IS NOT NULL;
    END LOOP;
END $$;

-- A parent's result: its own, with what its children came to under "children".
CREATE FUNCTION crmd.parent_result(own jsonb, f crmd.family) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(own) = 'object' THEN own
                WHEN own IS NULL OR own = 'null' THEN '{}'
                ELSE jsonb_build_object('value', own) END
        || jsonb_build_object('children', jsonb_build_object(
            'total', f.total, 'completed', f.completed, 'failed', f.failed, 'cancelled', f.cancelled, 'dead', f.dead,
            'sums', f.sums))
$$;

-- What a cancelled job keeps of its end; crmd.append_error adds the time.
CREATE FUNCTION crmd.cancel_error(attempt integer, reason text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('attempt', attempt, 'class', 'Cancelled', 'message', reason)
$$;

-- Cancels a job and every job below it. A waiting job ends at once; a running one is asked to stop and its daemon
-- is told; a parent that waits for its children ends, as cancelled, with the last of them that still runs.
-- Answers 'cancelled', 'requested', or the status of a job that is over already; NULL: no such job.
--
-- Waiting jobs are locked before leases, leases before families, families from the leaves to the root: nobody who holds
-- a lease waits for a waiting job, and settling takes leases and families in this order too, so that the two never wait
-- for each other in a circle.
CREATE FUNCTION crmd.cancel(job_id uuid, reason text DEFAULT 'cancelled by request') RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_tree uuid[];
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

        PERFORM FROM crmd.job j WHERE j.id = ANY (v_tree) AND j.held IS NULL ORDER BY j.id FOR UPDATE;
        WITH ended AS (
            DELETE FROM crmd.job j WHERE j.id = ANY (v_tree) AND j.held IS NULL RETURNING j.*
        ), kept AS (
            INSERT INTO crmd.archive (id, finished_at, run_at, created_at, started_at, fence, attempt, max_attempts,
                crash_count, snooze_count, status, type, queue, priority, payload, lane, workspace_id, user_id,
                parent_id, unique_key, checkpoint, progress, errors, result, meta)
            SELECT e.id, crmd.clock(), e.run_at, e.created_at, e.started_at, e.fence, e.attempt, e.max_attempts,
                e.crash_count, e.snooze_count, 'cancelled', e.type, e.queue, e.priority, e.payload, e.lane,
                e.workspace_id, e.user_id, e.parent_id, e.unique_key, e.checkpoint, e.progress,
                crmd.append_error(e.errors, crmd.cancel_error(e.attempt, cancel.reason)), e.result, e.meta
            FROM ended e
            RETURNING parent_id
        ), freed AS (
            DELETE FROM crmd.unique_key u USING ended e
            WHERE u.key = e.unique_key AND u.job_id = e.id AND u.expires_at = 'infinity'
        )
        SELECT array_agg(k.parent_id) INTO v_parents FROM kept k WHERE k.parent_id IS NOT NULL;

        PERFORM FROM crmd.lease l WHERE l.id = ANY (v_tree) ORDER BY l.id FOR NO KEY UPDATE;
        UPDATE crmd.lease l SET cancel_requested_at = crmd.clock(), cancel_reason = cancel.reason
        WHERE l.id = ANY (v_tree) AND l.cancel_requested_at IS NULL;
        IF FOUND THEN
            PERFORM pg_notify('crmd_wake', '!cancel');
        END IF;

        PERFORM FROM crmd.family f WHERE f.parent_id = ANY (v_tree)
        ORDER BY array_position(v_tree, f.parent_id) FOR UPDATE;
        UPDATE crmd.family f SET cancel_reason = coalesce(f.cancel_reason, cancel.reason)
        WHERE f.parent_id = ANY (v_tree) AND EXISTS (SELECT FROM crmd.job j WHERE j.id = f.parent_id AND j.held = 'children');
        IF v_parents IS NOT NULL THEN
            PERFORM crmd.book_children(v_parents, array_fill('cancelled'::text, ARRAY[cardinality(v_parents)]),
                                       array_fill(NULL::jsonb, ARRAY[cardinality(v_parents)]));
        END IF;
        EXIT WHEN NOT EXISTS (SELECT FROM crmd.job j WHERE j.id = ANY (v_tree) AND j.held IS NULL);
    END LOOP;
    SELECT j.status INTO v_answer FROM crmd.jobs j WHERE j.id = cancel.job_id;
    RETURN CASE v_answer WHEN 'processing' THEN 'requested' ELSE v_answer END;
END $$;

-- Writes one event per element of data, and the jobs that its type triggers, in the caller's transaction.
CREATE FUNCTION crmd.emit_many(
    type text,
    data jsonb[],
    workspace_id uuid DEFAULT NULL,
    user_id uuid DEFAULT NULL,
    aggregate_type text DEFAULT NULL,
    aggregate_ids text[] DEFAULT NULL,
    metadata jsonb DEFAULT '{}'
) RETURNS SETOF uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    t crmd.trigger;
    v_now timestamptz := crmd.clock();
BEGIN
    RETURN QUERY INSERT INTO crmd.event AS e (id, emitted_at, type, workspace_id, user_id, aggregate_type,
                                              aggregate_id, data, metadata)
        SELECT crmd.uuid7(), v_now, emit_many.type, emit_many.workspace_id, emit_many.user_id,
               emit_many.aggregate_type, emit_many.aggregate_ids[d.place], d.item, emit_many.metadata
        FROM unnest(emit_many.data) WITH ORDINALITY AS d(item, place) ORDER BY d.place
        RETURNING e.id;
    FOR t IN SELECT * FROM crmd.trigger g WHERE g.event_type = emit_many.type LOOP
        PERFORM crmd.enqueue_many(
            t.job_type,
            (SELECT array_agg((SELECT coalesce(jsonb_object_agg(f, d.item -> f) FILTER (WHERE d.item ? f), '{}')
                               FROM unnest(t.fields) f) ORDER BY d.place)
             FROM unnest(emit_many.data) WITH ORDINALITY AS d(item, place)),
            workspace_id => emit_many.workspace_id, user_id => emit_many.user_id,
            run_at => v_now + make_interval(secs => t.delay_seconds),
            meta => jsonb_build_object('event', emit_many.type) || emit_many.metadata);
    END LOOP;
END $$;

CREATE FUNCTION crmd.emit(
    type text,
    data jsonb DEFAULT '{}',
    workspace_id uuid DEFAULT NULL,
    user_id uuid DEFAULT NULL,
    aggregate_type text DEFAULT NULL,
    aggregate_id text DEFAULT NULL,
    metadata jsonb DEFAULT '{}'
) RETURNS uuid LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT crmd.emit_many(emit.type, ARRAY[emit.data], emit.workspace_id, emit.user_id, emit.aggregate_type,
                          CASE WHEN emit.aggregate_id IS NOT NULL THEN ARRAY[emit.aggregate_id] END, emit.metadata)
$$;

-- A job keeps its newest errors: enough to understand it, never enough to bloat its row.
CREATE FUNCTION crmd.append_error(errors jsonb, error jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN jsonb_array_length(coalesce(errors, '[]')) >= 20 THEN errors - 0 ELSE coalesce(errors, '[]') END
        || jsonb_build_array(jsonb_build_object('at', crmd.clock()) || error)
$$;

-- Fires one slot of a schedule: the row in crmd.tick and the job, or neither. However many daemons call it, one job is
-- made. Answers whether this call made it. A slot whose predecessor's job is unfinished is booked as skipped, unless
-- the schedule allows overlap.
CREATE FUNCTION crmd.fire(p_schedule text, p_due_at timestamptz, p_run_at timestamptz) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    s crmd.schedule;
    v_job record;
    v_is_unique boolean;
BEGIN
    INSERT INTO crmd.tick (schedule_id, due_at, fired_at) VALUES (p_schedule, p_due_at, crmd.clock())
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT * INTO STRICT s FROM crmd.schedule WHERE id = p_schedule;
    SELECT t.unique_scope IS NOT NULL INTO v_is_unique FROM crmd.job_type t
    WHERE t.name = s.job_type OR s.job_type = ANY (t.aliases);
    SELECT e.id, e.is_new INTO v_job FROM crmd.enqueue_many(
        s.job_type, ARRAY[s.payload], s.workspace_id, s.user_id, p_run_at,
        unique_keys => CASE WHEN s.overlap <> 'allow' AND NOT v_is_unique THEN ARRAY['schedule/' || s.id] END,
        unique_scope => CASE WHEN v_is_unique THEN NULL WHEN s.overlap = 'queue_one' THEN 'waiting'
                             ELSE 'unfinished' END,
        meta => jsonb_build_object('scheduleId', s.id, 'dueAt', p_due_at, 'timezone', s.timezone)) e;
    UPDATE crmd.tick t SET job_id = CASE WHEN v_job.is_new THEN v_job.id END,
        reason = CASE WHEN NOT v_job.is_new THEN 'the job of an earlier tick is unfinished' END
    WHERE t.schedule_id = p_schedule AND t.due_at = p_due_at;
    RETURN v_job.is_new;
END $$;

-- Makes the partitions of the coming days. A day whose rows sit in the default partition already is left there.
CREATE FUNCTION crmd.make_partitions(table_name text, days_ahead integer DEFAULT 3) RETURNS integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_day date;
    v_name text;
    v_made integer := 0;
BEGIN
    FOR v_day IN SELECT d::date FROM generate_series(
        (crmd.clock() AT TIME ZONE 'UTC')::date, (crmd.clock() AT TIME ZONE 'UTC')::date + days_ahead,
        interval '1 day') d
    LOOP
        v_name := format('%s_%s', table_name, to_char(v_day, 'YYYYMMDD'));
        CONTINUE WHEN to_regclass(format('crmd.%I', v_name)) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE TABLE crmd.%I PARTITION OF crmd.%I FOR VALUES FROM (%L) TO (%L)', v_name,
                table_name, v_day::timestamp AT TIME ZONE 'UTC', (v_day + 1)::timestamp AT TIME ZONE 'UTC');
            v_made := v_made + 1;
        EXCEPTION WHEN check_violation OR duplicate_table THEN NULL;
        END;
    END LOOP;
    RETURN v_made;
END $$;

-- Drops the partitions of days that ended more than keep_days ago, and the rows of the default partition of that age.
CREATE FUNCTION crmd.drop_partitions(table_name text, time_column text, keep_days integer) RETURNS integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_oldest date := (crmd.clock() AT TIME ZONE 'UTC')::date - keep_days;
    v_name text;
    v_dropped integer := 0;
BEGIN
    FOR v_name IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = format('crmd.%I', table_name)::regclass
          AND c.relname ~ ('^' || table_name || '_\d{8}$')
          AND to_date(right(c.relname, 8), 'YYYYMMDD') < v_oldest
    LOOP
        EXECUTE format('DROP TABLE crmd.%I', v_name);
        v_dropped := v_dropped + 1;
    END LOOP;
    EXECUTE format('DELETE FROM crmd.%I WHERE %I < %L', table_name || '_default', time_column,
                   v_oldest::timestamp AT TIME ZONE 'UTC');
    RETURN v_dropped;
END $$;

SELECT crmd.make_partitions('archive'), crmd.make_partitions('tick'), crmd.make_partitions('event');

-- The three stages as one.
CREATE VIEW crmd.jobs WITH (security_invoker = true) AS
    SELECT j.id, CASE WHEN j.held = 'children' THEN 'processing'
                      WHEN j.run_at > crmd.clock() THEN 'scheduled' ELSE 'pending' END AS status,
        j.type, j.queue, j.priority, j.payload, j.workspace_id, j.user_id, j.parent_id, j.attempt, j.max_attempts,
        j.crash_count, j.snooze_count, j.fence, j.lane, j.held, j.run_at, j.created_at, j.started_at,
        NULL::timestamptz AS finished_at, NULL::uuid AS daemon_id, NULL::timestamptz AS cancel_requested_at,
        j.checkpoint, j.progress, j.errors, j.result, j.meta
    FROM crmd.job j
    UNION ALL
    SELECT l.id, 'processing', l.type, l.queue, l.priority, l.payload, l.workspace_id, l.user_id, l.parent_id,
        l.attempt, l.max_attempts, l.crash_count, l.snooze_count, l.fence, l.lane, NULL, l.run_at, l.created_at,
        l.started_at, NULL, l.daemon_id, l.cancel_requested_at, l.checkpoint, l.progress, l.errors, NULL, l.meta
    FROM crmd.lease l
    UNION ALL
    SELECT a.id, a.status, a.type, a.queue, a.priority, a.payload, a.workspace_id, a.user_id, a.parent_id,
        a.attempt, a.max_attempts, a.crash_count, a.snooze_count, a.fence, a.lane, NULL, a.run_at, a.created_at,
        a.started_at, a.finished_at, NULL, NULL, a.checkpoint, a.progress, a.errors, a.result, a.meta
    FROM crmd.archive a;

-- The same under the names that front ends know.
CREATE VIEW crmd.background_jobs WITH (security_invoker = true) AS
    SELECT j.id, j.workspace_id, j.user_id, j.type, j.status, j.payload, j.result,
        (j.progress ->> 'total')::bigint AS total_items, (j.progress ->> 'done')::bigint AS processed_items,
        j.created_at, j.started_at, j.finished_at AS completed_at,
        j.errors -> -1 ->> 'message' AS error_message,
        greatest(j.attempt - 1, 0) AS retry_count, j.max_attempts - 1 AS max_retries
    FROM crmd.jobs j;

-- Whoever may see the schema could otherwise enqueue for every workspace, since these run with their owner's rights.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA crmd FROM PUBLIC;

-- Lets a role of an application enqueue, cancel and emit inside its own transactions.
CREATE FUNCTION crmd.grant_enqueue(role_name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA crmd TO %I', role_name);
    EXECUTE format('GRANT EXECUTE ON FUNCTION crmd.enqueue, crmd.enqueue_many, crmd.cancel, crmd.emit, crmd.emit_many '
                   'TO %I', role_name);
END $$;
REVOKE EXECUTE ON FUNCTION crmd.grant_enqueue FROM PUBLIC;

-- What policies and defaults of plugins' tables call.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'crmd_app') THEN
        GRANT USAGE ON SCHEMA crmd TO crmd_app;
        GRANT EXECUTE ON FUNCTION crmd.clock, crmd.uuid7, crmd.workspace_id TO crmd_app;
    END IF;
END $$;
