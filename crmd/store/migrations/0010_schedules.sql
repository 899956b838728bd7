-- Schedules in full: made at run time for a workspace, a user, a connection or a subject, by the million; for once as
-- well as again and again; fired many at a time.
--
-- next_due_at is when a daemon looks next. Whoever makes a schedule, or changes its times, asks for a look at once, and
-- the daemon, which knows calendars and zones, finds the first tick. It begins behind last_due_at, so that nothing from
-- before is made up for, and nothing is lost if no daemon runs at that moment.

ALTER TABLE crmd.schedule
    ADD COLUMN connection_id  uuid,                       -- goes away with its connection
    ADD COLUMN subject        text,                       -- what it is about: moved and dropped with it
    ADD COLUMN offset_seconds integer NOT NULL DEFAULT 0, -- how long after its subject's time; negative: before
    ADD COLUMN payload_version smallint,                  -- its payload's; NULL: that of its job type at the time
    ADD COLUMN last_tick_at   timestamptz,                -- the newest tick that fired or was skipped
    ADD COLUMN done_at        timestamptz;                -- no tick will follow; kept as long as ended jobs are
ALTER TABLE crmd.schedule ADD CONSTRAINT schedule_offset
    CHECK (offset_seconds = 0 OR expression ILIKE 'at %') NOT VALID;
ALTER TABLE crmd.schedule ADD CONSTRAINT schedule_tenant
    CHECK (connection_id IS NULL OR workspace_id IS NOT NULL) NOT VALID;
ALTER TABLE crmd.schedule ADD CONSTRAINT schedule_bounds
    CHECK (catch_up_max BETWEEN 1 AND 1000 AND spread_seconds BETWEEN 0 AND 86400) NOT VALID;
ALTER TABLE crmd.schedule ADD CONSTRAINT schedule_connection FOREIGN KEY (workspace_id, connection_id)
    REFERENCES crmd.connection (workspace_id, id) ON DELETE CASCADE NOT VALID;
CREATE INDEX schedule_owner ON crmd.schedule (workspace_id, user_id) WHERE workspace_id IS NOT NULL;
CREATE INDEX schedule_connection ON crmd.schedule (connection_id) WHERE connection_id IS NOT NULL;
CREATE INDEX schedule_subject ON crmd.schedule (subject) WHERE subject IS NOT NULL;
CREATE INDEX schedule_plugin ON crmd.schedule (id) WHERE origin = 'plugin';
CREATE INDEX schedule_broken ON crmd.schedule (id) WHERE error IS NOT NULL;
CREATE INDEX schedule_done ON crmd.schedule (done_at) WHERE done_at IS NOT NULL;

-- The id under which a schedule is stored. Names are chosen by callers, so each workspace has names of its own; those of
-- plugins are `plugin/job-type`, and no name holds a slash, so that nobody takes another's.
CREATE FUNCTION crmd.schedule_id(workspace_id uuid, name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT concat_ws('/', workspace_id, name)
$$;

-- The job type that a name means: the one of that name, else one that was called so before; all NULL: none.
CREATE FUNCTION crmd.job_type_called(name text) RETURNS crmd.job_type
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT t FROM crmd.job_type t WHERE t.name = job_type_called.name OR job_type_called.name = ANY (t.aliases)
    ORDER BY t.name = job_type_called.name DESC, t.name LIMIT 1
$$;

-- An instant as the expression of a schedule that fires once.
CREATE FUNCTION crmd.at_instant(at timestamptz) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_char(at AT TIME ZONE 'UTC', '"at "YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- Makes schedules, or changes those of the same names. Rows are objects with the columns of crmd.schedule; what is left
-- out has its default. Answers their ids, in order. A schedule whose times changed begins now: it neither fires again what it has
-- fired nor makes up for what its new times would have had; one that is as it was keeps its place, paused ones rest on.
CREATE FUNCTION crmd.schedule_many(schedules jsonb) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_now timestamptz := crmd.clock();
    v_default crmd.schedule := jsonb_populate_record(NULL::crmd.schedule,
        '{"payload": {}, "timezone": "UTC", "catch_up": "last", "catch_up_max": 100, "overlap": "skip",
          "spread_seconds": 0, "offset_seconds": 0}');
    v_bad text;
BEGIN
    SELECT w.id INTO v_bad FROM jsonb_populate_recordset(v_default, schedules) w
    WHERE (w.id ~ '^[A-Za-z0-9][A-Za-z0-9_.:@+-]{0,199}$') IS NOT TRUE LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '"%" is no name for a schedule', left(v_bad, 200)
            USING ERRCODE = 'CR003', HINT = 'Use up to 200 letters, digits and _ . : @ + - without a slash.';
    END IF;
    SELECT w.job_type INTO v_bad FROM jsonb_populate_recordset(v_default, schedules) w
    WHERE (crmd.job_type_called(w.job_type)).name IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'no job type "%" is registered', v_bad
            USING ERRCODE = 'CR001', HINT = 'List the registered ones: SELECT name FROM crmd.job_type.';
    END IF;
    SELECT t.name INTO v_bad
    FROM jsonb_populate_recordset(v_default, schedules) w CROSS JOIN LATERAL crmd.job_type_called(w.job_type) t
    WHERE t.is_payload_sealed AND w.payload <> '{}' AND NOT w.payload ? '$sealed' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the payloads of "%" are sealed, which SQL cannot do', v_bad
            USING ERRCODE = 'CR007', HINT = 'Schedule it from a handler or on the command line.';
    END IF;
    RETURN QUERY
    WITH named AS (
        SELECT DISTINCT ON (w.workspace_id, w.id) w.*, crmd.schedule_id(w.workspace_id, w.id) AS full_id
        FROM ROWS FROM (jsonb_populate_recordset(v_default, schedules)) WITH ORDINALITY AS w
        ORDER BY w.workspace_id, w.id, w.ordinality DESC
    ), wanted AS (
        -- The payload names the connection, as its job type declares, so that its gate holds the jobs.
        SELECT n.*, coalesce(n.payload_version, t.payload_version) AS version, n.payload || coalesce((
            SELECT jsonb_object_agg(k ->> 'per', n.connection_id) FROM jsonb_array_elements(t.keys) k
            WHERE n.connection_id IS NOT NULL AND k ->> 'name' = 'connection' AND k ->> 'per' IS NOT NULL), '{}')
            AS full_payload
        FROM named n CROSS JOIN LATERAL crmd.job_type_called(n.job_type) t
    ), written AS (
        INSERT INTO crmd.schedule AS s (id, job_type, expression, timezone, payload, payload_version, workspace_id,
            user_id, connection_id, subject, origin, offset_seconds, catch_up, catch_up_max, overlap, spread_seconds,
            last_due_at, next_due_at, updated_at)
        SELECT w.full_id, w.job_type, w.expression, w.timezone, w.full_payload, w.version, w.workspace_id, w.user_id,
            w.connection_id, w.subject, 'runtime', w.offset_seconds, w.catch_up, w.catch_up_max, w.overlap,
            w.spread_seconds, v_now, v_now, v_now
        FROM wanted w ORDER BY w.full_id
        ON CONFLICT (id) DO UPDATE SET
            job_type = excluded.job_type, expression = excluded.expression, timezone = excluded.timezone,
            payload = excluded.payload, payload_version = excluded.payload_version, user_id = excluded.user_id,
            connection_id = excluded.connection_id, subject = excluded.subject, offset_seconds = excluded.offset_seconds, catch_up = excluded.catch_up,
            catch_up_max = excluded.catch_up_max, overlap = excluded.overlap,
            spread_seconds = excluded.spread_seconds, updated_at = excluded.updated_at, error = NULL,
            last_due_at = CASE WHEN (s.expression, s.timezone, s.offset_seconds)
                = (excluded.expression, excluded.timezone, excluded.offset_seconds)
                THEN s.last_due_at ELSE greatest(s.last_due_at, v_now) END,
            next_due_at = CASE WHEN (s.expression, s.timezone, s.offset_seconds)
                = (excluded.expression, excluded.timezone, excluded.offset_seconds) THEN s.next_due_at ELSE v_now END,
            done_at = CASE WHEN (s.expression, s.timezone, s.offset_seconds)
                = (excluded.expression, excluded.timezone, excluded.offset_seconds) THEN s.done_at END
        WHERE s.error IS NOT NULL
           OR (s.job_type, s.expression, s.timezone, s.payload, s.payload_version, s.user_id, s.connection_id, s.subject,
               s.offset_seconds, s.catch_up, s.catch_up_max, s.overlap, s.spread_seconds)
              IS DISTINCT FROM
              (excluded.job_type, excluded.expression, excluded.timezone, excluded.payload, excluded.payload_version,
               excluded.user_id, excluded.connection_id, excluded.subject, excluded.offset_seconds, excluded.catch_up,
               excluded.catch_up_max, excluded.overlap, excluded.spread_seconds)
    )
    SELECT crmd.schedule_id(w.workspace_id, w.id)
    FROM ROWS FROM (jsonb_populate_recordset(v_default, schedules)) WITH ORDINALITY AS w ORDER BY w.ordinality;
END $$;

-- Makes one schedule, or changes the one of that name; answers its id. Its times are an expression ("0 9 * * *",
-- "every 15m", "at 2026-03-01T09:00") or the instant `at`; with offset_seconds it fires so long after `at`, before it
-- when negative.
CREATE FUNCTION crmd.schedule(
    name text,
    job_type text,
    expression text DEFAULT NULL,
    payload jsonb DEFAULT '{}',
    timezone text DEFAULT 'UTC',
    workspace_id uuid DEFAULT NULL,
    user_id uuid DEFAULT NULL,
    connection_id uuid DEFAULT NULL,
    at timestamptz DEFAULT NULL,
    offset_seconds integer DEFAULT 0,
    subject text DEFAULT NULL,
    catch_up text DEFAULT 'last',
    catch_up_max integer DEFAULT 100,
    overlap text DEFAULT 'skip',
    spread_seconds integer DEFAULT 0
) RETURNS text LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT crmd.schedule_many(jsonb_build_array(jsonb_build_object(
        'id', name, 'job_type', job_type, 'expression', coalesce(crmd.at_instant(at), expression),
        'payload', payload, 'timezone', timezone, 'workspace_id', workspace_id, 'user_id', user_id,
        'connection_id', connection_id, 'subject', subject, 'offset_seconds', offset_seconds, 'catch_up', catch_up,
        'catch_up_max', catch_up_max, 'overlap', overlap, 'spread_seconds', spread_seconds)))
$$;

-- Drops the schedules, made at run time, that fit all of what is given; answers how many. Jobs that they have made stay.
CREATE FUNCTION crmd.unschedule(
    name text DEFAULT NULL,
    workspace_id uuid DEFAULT NULL,
    user_id uuid DEFAULT NULL,
    connection_id uuid DEFAULT NULL,
    subject text DEFAULT NULL
) RETURNS integer LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_dropped integer;
BEGIN
    IF num_nonnulls(name, workspace_id, user_id, connection_id, subject) = 0 THEN
        RAISE EXCEPTION 'nothing says which schedules to drop'
            USING ERRCODE = 'CR003', HINT = 'Name one, or its workspace, user, connection or subject.';
    END IF;
    DELETE FROM crmd.schedule s
    WHERE s.origin = 'runtime'
      AND (unschedule.name IS NULL OR s.id = crmd.schedule_id(unschedule.workspace_id, unschedule.name))
      AND (unschedule.workspace_id IS NULL OR s.workspace_id = unschedule.workspace_id)
      AND (unschedule.user_id IS NULL OR s.user_id = unschedule.user_id)
      AND (unschedule.connection_id IS NULL OR s.connection_id = unschedule.connection_id)
      AND (unschedule.subject IS NULL
           OR (s.subject = unschedule.subject AND s.workspace_id IS NOT DISTINCT FROM unschedule.workspace_id));
    GET DIAGNOSTICS v_dropped = ROW_COUNT;
    RETURN v_dropped;
END $$;

-- A subject has another time: all that is scheduled for once with it moves along. Answers how many moved. What had fired
-- fires again for the new time; a time before the subject's that has passed already fires at once, unless the subject's
-- own has passed too or catch_up is skip. In place of an instant, `reading` is what the clock in each one's zone shows.
CREATE FUNCTION crmd.move_subject(
    subject text, at timestamptz, workspace_id uuid DEFAULT NULL, reading timestamp DEFAULT NULL
) RETURNS integer LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_now timestamptz := crmd.clock();
    v_expression text := coalesce(crmd.at_instant(at), to_char(reading, '"at "YYYY-MM-DD"T"HH24:MI:SS.US'));
    v_moved integer;
BEGIN
    IF v_expression IS NULL OR NOT isfinite(coalesce(at, reading)) THEN
        RAISE EXCEPTION 'a subject moves to an instant or to a reading of the clock' USING ERRCODE = 'CR003';
    END IF;
    UPDATE crmd.schedule s SET expression = v_expression, last_due_at = greatest(s.last_due_at, v_now),
        next_due_at = v_now, done_at = NULL, error = NULL, updated_at = v_now
    WHERE s.id = ANY (ARRAY(
        SELECT m.id FROM crmd.schedule m
        WHERE m.subject = move_subject.subject AND m.workspace_id IS NOT DISTINCT FROM move_subject.workspace_id
          AND m.expression ILIKE 'at %' AND m.expression <> v_expression
        ORDER BY m.id FOR UPDATE));
    GET DIAGNOSTICS v_moved = ROW_COUNT;
    RETURN v_moved;
END $$;

-- What a scheduled job knows of its tick.
CREATE FUNCTION crmd.tick_meta(
    s crmd.schedule, due_at timestamptz, previous_at timestamptz, is_backfill boolean
) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object('scheduleId', s.id, 'dueAt', due_at, 'previousDueAt', previous_at,
        'timezone', s.timezone, 'isBackfilled', is_backfill, 'subject', s.subject))
$$;

-- Fires slots of schedules, each once however many daemons ask: the row in crmd.tick and the job, or neither. Answers
-- those whose job this call made. While the job of an earlier slot is unfinished (with queue_one: waits), a slot is
-- booked as skipped, unless its schedule allows overlap. A backfill lets overlap in and fires what was skipped.
--
-- Jobs are inserted here and not by crmd.enqueue_many, which takes one workspace, user and time a call: a hundred
-- thousand schedules that are due together have as many of each. Job types that are unique, or that act on a full limit,
-- take the long way.
-- Locks are taken in the order of crmd.enqueue_many: keys (by key), then jobs.
CREATE FUNCTION crmd.fire_many(
    ids text[], due_ats timestamptz[], run_ats timestamptz[], previous_ats timestamptz[], is_backfill boolean DEFAULT false
) RETURNS TABLE (schedule_id text, due_at timestamptz, job_id uuid)
-- A plan that does not know how long the arrays are joins thousands of slots in nested loops.
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := crmd.clock();
    v_unknown text;
    v_clear text;
    v_made_ids text[];
    v_made_dues timestamptz[];
    v_made_jobs uuid[];
    v_rest_ids text[];
    v_rest_dues timestamptz[];
    v_queues text[];
    v_slot record;
BEGIN
    WITH slot AS (
        INSERT INTO crmd.tick AS k (schedule_id, due_at, fired_at, job_id)
        SELECT c.id, f.due_at, v_now, crmd.uuid7()
        FROM unnest(fire_many.ids, fire_many.due_ats) AS f(id, due_at) JOIN crmd.schedule c ON c.id = f.id
        ORDER BY c.id, f.due_at
        ON CONFLICT (schedule_id, due_at) DO UPDATE SET fired_at = v_now, job_id = excluded.job_id, reason = NULL
            WHERE fire_many.is_backfill AND k.job_id IS NULL
        RETURNING k.schedule_id, k.due_at, k.job_id
    ), known AS (
        SELECT w.job_type AS wanted, t.*
        FROM (SELECT DISTINCT c.job_type FROM slot i JOIN crmd.schedule c ON c.id = i.schedule_id) w
        CROSS JOIN LATERAL crmd.job_type_called(w.job_type) t
    ), wanted AS (
        SELECT i.job_id, i.due_at, f.run_at, c.id AS schedule_id, c.job_type, c.payload, c.workspace_id, c.user_id,
            t.name, t.queue, t.priority, t.max_attempts, t.keys, t.expires_seconds,
            t.unique_scope IS NULL AND NOT t.has_collisions AS is_plain,
            t.is_payload_sealed AND c.payload <> '{}' AND NOT c.payload ? '$sealed' AS is_clear,
            CASE WHEN c.overlap <> 'allow' AND NOT fire_many.is_backfill AND t.unique_scope IS NULL
                    AND NOT t.has_collisions
                THEN concat(t.name, '/', c.workspace_id, '/schedule/', c.id) END AS unique_key,
            CASE c.overlap WHEN 'queue_one' THEN 'waiting' ELSE 'unfinished' END AS scope,
            crmd.tick_meta(c, i.due_at, f.previous_at, fire_many.is_backfill)
                || CASE WHEN coalesce(c.payload_version, t.payload_version) > 1
                    THEN jsonb_build_object('payloadVersion', coalesce(c.payload_version, t.payload_version))
                    ELSE '{}' END AS meta
        FROM slot i
        JOIN unnest(fire_many.ids, fire_many.due_ats, fire_many.run_ats, fire_many.previous_ats)
            AS f(id, due_at, run_at, previous_at) ON f.id = i.schedule_id AND f.due_at = i.due_at
        JOIN crmd.schedule c ON c.id = i.schedule_id
        LEFT JOIN known t ON t.wanted = c.job_type
    ), won AS (
        INSERT INTO crmd.unique_key AS u (key, job_id, scope, expires_at)
        SELECT DISTINCT ON (w.unique_key) w.unique_key, w.job_id, w.scope, 'infinity'::timestamptz
        FROM wanted w WHERE w.unique_key IS NOT NULL ORDER BY w.unique_key, w.due_at
        ON CONFLICT DO NOTHING
        RETURNING u.job_id
    ), made AS (
        INSERT INTO crmd.job (id, run_at, rank_at, created_at, max_attempts, type, queue, priority, payload, lane,
                              workspace_id, user_id, unique_key, meta, expires_at)
        SELECT w.job_id, w.run_at, w.run_at - crmd.head_start(w.priority), v_now, w.max_attempts, w.name, w.queue,
            w.priority, w.payload,
            CASE WHEN w.keys <> '[]' THEN crmd.lane_of(w.keys, w.workspace_id, w.user_id, w.payload) END,
            w.workspace_id, w.user_id, w.unique_key, w.meta, w.run_at + make_interval(secs => w.expires_seconds)
        FROM wanted w LEFT JOIN won ON won.job_id = w.job_id
        WHERE w.is_plain AND (w.unique_key IS NULL OR won.job_id IS NOT NULL)
        RETURNING id, queue, run_at
    )
    SELECT min(w.job_type) FILTER (WHERE w.name IS NULL), min(w.name) FILTER (WHERE w.is_clear),
        array_agg(w.schedule_id) FILTER (WHERE m.id IS NOT NULL), array_agg(w.due_at) FILTER (WHERE m.id IS NOT NULL),
        array_agg(w.job_id) FILTER (WHERE m.id IS NOT NULL),
        array_agg(w.schedule_id) FILTER (WHERE m.id IS NULL), array_agg(w.due_at) FILTER (WHERE m.id IS NULL),
        array_agg(DISTINCT m.queue) FILTER (WHERE m.run_at <= v_now + interval '10 seconds')
    INTO v_unknown, v_clear, v_made_ids, v_made_dues, v_made_jobs, v_rest_ids, v_rest_dues, v_queues
    FROM wanted w LEFT JOIN made m ON m.id = w.job_id;
    IF v_unknown IS NOT NULL THEN
        RAISE EXCEPTION 'no job type "%" is registered', v_unknown USING ERRCODE = 'CR001';
    ELSIF v_clear IS NOT NULL THEN
        RAISE EXCEPTION 'the payloads of "%" are sealed by now, and this one is not', v_clear
            USING ERRCODE = 'CR007', HINT = 'Schedule it anew.';
    END IF;
    RETURN QUERY SELECT * FROM unnest(v_made_ids, v_made_dues, v_made_jobs);

    UPDATE crmd.tick k SET job_id = NULL, reason = 'the job of an earlier tick is unfinished'
    FROM unnest(v_rest_ids, v_rest_dues) AS r(id, due_at) WHERE k.schedule_id = r.id AND k.due_at = r.due_at;
    FOR v_slot IN
        SELECT c.id, f.due_at, e.id AS job_id, e.is_new, e.answer
        FROM unnest(v_rest_ids, v_rest_dues) AS r(id, due_at)
        JOIN unnest(fire_many.ids, fire_many.due_ats, fire_many.run_ats, fire_many.previous_ats)
            AS f(id, due_at, run_at, previous_at) ON f.id = r.id AND f.due_at = r.due_at
        JOIN crmd.schedule c ON c.id = r.id
        JOIN LATERAL crmd.job_type_called(c.job_type) t ON t.unique_scope IS NOT NULL OR t.has_collisions
        CROSS JOIN LATERAL (SELECT t.unique_scope IS NULL AND c.overlap <> 'allow' AND NOT fire_many.is_backfill
            AS has_key) k
        CROSS JOIN LATERAL crmd.enqueue_many(t.name, ARRAY[c.payload], c.workspace_id, c.user_id, f.run_at,
            unique_keys => CASE WHEN k.has_key THEN ARRAY['schedule/' || c.id] END,
            unique_scope => CASE WHEN k.has_key AND c.overlap = 'queue_one' THEN 'waiting' END,
            meta => crmd.tick_meta(c, f.due_at, f.previous_at, fire_many.is_backfill),
            payload_version => c.payload_version) AS e
    LOOP
        UPDATE crmd.tick k SET job_id = CASE WHEN v_slot.is_new THEN v_slot.job_id END,
            reason = CASE WHEN v_slot.answer = 'rejected' THEN 'a limit of its job type is full'
                          WHEN NOT v_slot.is_new THEN k.reason END
        WHERE k.schedule_id = v_slot.id AND k.due_at = v_slot.due_at;
        IF v_slot.is_new THEN
            RETURN QUERY SELECT v_slot.id, v_slot.due_at, v_slot.job_id;
        END IF;
    END LOOP;
    PERFORM crmd.wake(q) FROM unnest(v_queues) AS q;
END $$;

-- Fires one slot; answers whether this call made its job.
CREATE OR REPLACE FUNCTION crmd.fire(p_schedule text, p_due_at timestamptz, p_run_at timestamptz) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = pg_catalog AS $$
    SELECT count(*) = 1
    FROM crmd.fire_many(ARRAY[p_schedule], ARRAY[p_due_at], ARRAY[p_run_at], ARRAY[NULL::timestamptz])
$$;

REVOKE EXECUTE ON FUNCTION crmd.job_type_called, crmd.schedule_id, crmd.at_instant, crmd.schedule_many, crmd.schedule,
    crmd.unschedule, crmd.move_subject, crmd.tick_meta, crmd.fire_many FROM PUBLIC;

-- Lets a role of an application make, move and drop schedules inside its own transactions.
CREATE FUNCTION crmd.grant_schedule(role_name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA crmd TO %I', role_name);
    EXECUTE format('GRANT EXECUTE ON FUNCTION crmd.schedule, crmd.schedule_many, crmd.unschedule, crmd.move_subject '
                   'TO %I', role_name);
END $$;
REVOKE EXECUTE ON FUNCTION crmd.grant_schedule FROM PUBLIC;
