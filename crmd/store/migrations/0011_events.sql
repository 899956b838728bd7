-- Events in full: one order, conditions, handlers with a record of what was delivered, functions that may veto,
-- listeners, the ends of jobs as events, and projections.

-- The order in which events were emitted. Whoever locks an aggregate before it emits for it gets its events in the
-- order of their happening. A number is never given back, and a transaction that commits late leaves a gap until then:
-- who follows the order reads no further than crmd.settled_seq().
CREATE SEQUENCE crmd.event_seq CACHE 1;
ALTER TABLE crmd.event ADD COLUMN seq bigint;
UPDATE crmd.event e SET seq = o.place
FROM (SELECT id, emitted_at, row_number() OVER (ORDER BY emitted_at, id) AS place FROM crmd.event) o
WHERE e.id = o.id AND e.emitted_at = o.emitted_at;
SELECT setval('crmd.event_seq', greatest(count(*), 1), count(*) > 0) FROM crmd.event;
ALTER TABLE crmd.event ALTER COLUMN seq SET DEFAULT nextval('crmd.event_seq');
-- In order over all workspaces, by ranges of pages: rows come in this order, so that is next to free.
CREATE INDEX event_order ON crmd.event USING brin (seq) WITH (pages_per_range = 16, autosummarize = on);
CREATE INDEX event_workspace ON crmd.event (workspace_id, seq) WHERE workspace_id IS NOT NULL;
CREATE INDEX event_correlation ON crmd.event ((metadata ->> 'correlationId')) WHERE metadata ? 'correlationId';
CREATE INDEX job_correlation ON crmd.job ((meta ->> 'correlationId')) WHERE meta ? 'correlationId';
CREATE INDEX archive_correlation ON crmd.archive ((meta ->> 'correlationId')) WHERE meta ? 'correlationId';

-- How far the order is settled: see crmd.settled_seq.
CREATE TABLE crmd.event_horizon (
    is_only  boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    seq      bigint NOT NULL,                -- no transaction that is still open has a number up to here
    next_seq bigint NOT NULL,                -- nor up to here, as soon as every transaction before next_xid has ended
    next_xid xid8 NOT NULL
) WITH (fillfactor = 50);
INSERT INTO crmd.event_horizon (seq, next_seq, next_xid) VALUES (0, 0, '0');

-- The number up to which no event can appear any more. A transaction gets its id before its first number
-- (crmd.record_events), so whoever holds one of the numbers given so far has an older id than the one that is taken here;
-- once all older ones have ended, those numbers are settled. To be called in a transaction of its own, before the one
-- that reads the events. It stands still while a transaction that has written something, in any database of this
-- server, stays open; what is older than that is settled all the same.
CREATE FUNCTION crmd.settled_seq() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    h crmd.event_horizon;
    v_seq bigint;
    v_xid xid8;
    v_oldest xid8;
BEGIN
    SELECT s.last_value - (NOT s.is_called)::integer INTO v_seq FROM crmd.event_seq s;
    SELECT * INTO h FROM crmd.event_horizon;
    IF v_seq <= h.seq THEN
        RETURN h.seq;
    END IF;
    SELECT * INTO h FROM crmd.event_horizon FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN -- somebody else is looking
        RETURN (SELECT o.seq FROM crmd.event_horizon o);
    END IF;
    v_xid := pg_current_xact_id();                       -- after the number
    v_oldest := pg_snapshot_xmin(pg_current_snapshot()); -- after the id
    IF v_oldest >= v_xid THEN
        h.seq := greatest(h.seq, v_seq);
    ELSIF h.next_seq > h.seq AND v_oldest >= h.next_xid THEN
        h.seq := h.next_seq;
        h.next_seq := v_seq;
        h.next_xid := v_xid;
    ELSIF h.next_seq <= h.seq OR h.next_xid > v_xid THEN -- ids begin anew where a dump was restored
        h.next_seq := v_seq;
        h.next_xid := v_xid;
    END IF;
    UPDATE crmd.event_horizon SET seq = h.seq, next_seq = h.next_seq, next_xid = h.next_xid;
    RETURN h.seq;
END $$;

-- The events of the workspace that the transaction works for: what a plugin's statements may read. The policy holds
-- the role that they run as; where they run as the owner, the view does.
ALTER TABLE crmd.event ENABLE ROW LEVEL SECURITY;
CREATE POLICY event_workspace ON crmd.event FOR SELECT USING (workspace_id = crmd.workspace_id());
CREATE VIEW crmd.workspace_events WITH (security_invoker = true) AS
    SELECT e.seq, e.id, e.emitted_at, e.type, e.version, e.user_id, e.aggregate_type, e.aggregate_id, e.data, e.metadata
    FROM crmd.event e WHERE e.workspace_id = crmd.workspace_id();

-- Every way to ask for a type: contact.created, contact.*, *.
CREATE FUNCTION crmd.event_patterns(type text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY[type, split_part(type, '.', 1) || '.*', '*']
$$;

ALTER TABLE crmd.trigger
    ADD COLUMN origin text NOT NULL DEFAULT 'plugin' CHECK (origin IN ('plugin', 'runtime')),
    ADD COLUMN gives text NOT NULL DEFAULT 'fields' CHECK (gives IN ('fields', 'event')), -- to the job: of the data, or all
    ADD COLUMN is_ordered boolean NOT NULL DEFAULT false,  -- per aggregate: an event waits until the one before is done
    ADD COLUMN condition jsonpath,           -- on the event's data; NULL: always
    ADD COLUMN priority text CHECK (priority IN ('critical', 'high', 'normal', 'low')),
    ADD COLUMN dedup text[],                 -- fields of the data that make a key: at most one job of it waits
    ADD COLUMN max_delay_seconds double precision; -- each further event of that key moves the job, so far at the most;
                                             -- NULL: it keeps its time

-- What was handed to whom: one row per handler and event, so that a replay hands over nothing twice.
CREATE TABLE crmd.delivery (
    handler    text NOT NULL,                -- a job type
    event_id   uuid NOT NULL,
    emitted_at timestamptz NOT NULL,         -- of the event
    seq        bigint NOT NULL,              -- of the event
    aggregate  text,                         -- of the event, where its handler is told in order
    job_id     uuid NOT NULL,                -- the newest job for it
    PRIMARY KEY (handler, event_id, emitted_at)
) PARTITION BY RANGE (emitted_at);
CREATE INDEX delivery_order ON crmd.delivery (handler, aggregate, seq) WHERE aggregate IS NOT NULL;
CREATE TABLE crmd.delivery_default PARTITION OF crmd.delivery DEFAULT;
SELECT crmd.make_partitions('delivery');

-- Functions that hear of an event inside the emitting transaction, whatever language emits, and may raise to veto it.
CREATE TABLE crmd.event_function (
    event_type    text NOT NULL,
    function_name text NOT NULL,             -- schema.name of a function (crmd.event) RETURNS void
    PRIMARY KEY (event_type, function_name)
);

-- Who listens on the channel crmd_events; nothing is sent while nobody does.
CREATE TABLE crmd.event_listener (
    event_type text NOT NULL,
    id         uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (event_type, id)
);

-- How far each projection has come. A rebuild is a second generation that starts from the oldest event.
CREATE TABLE crmd.projection (
    name        text NOT NULL,
    generation  integer NOT NULL,
    plugin      text NOT NULL,
    version     integer NOT NULL,            -- as declared; a higher one is built anew
    state       text NOT NULL CHECK (state IN ('live', 'building', 'old')),
    seq         bigint NOT NULL DEFAULT 0,   -- folded up to here
    made_at     timestamptz NOT NULL,
    folded_at   timestamptz,
    failures    integer NOT NULL DEFAULT 0,  -- in a row
    retry_at    timestamptz,
    error       text,
    PRIMARY KEY (name, generation)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX projection_live ON crmd.projection (name) WHERE state = 'live';
CREATE UNIQUE INDEX projection_building ON crmd.projection (name) WHERE state = 'building';

-- Which workspaces a generation has rows of; so that all of it can be removed.
CREATE TABLE crmd.projection_workspace (
    name         text NOT NULL,
    generation   integer NOT NULL,
    workspace_id uuid NOT NULL,
    PRIMARY KEY (name, generation, workspace_id)
);

-- The generation that readers are to see; 0 while there is none.
CREATE FUNCTION crmd.generation(projection text) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce((SELECT p.generation FROM crmd.projection p WHERE p.name = projection AND p.state = 'live'), 0)
$$;

-- An event as handlers get it.
CREATE FUNCTION crmd.event_json(e crmd.event) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('id', e.id, 'seq', e.seq, 'type', e.type, 'version', e.version, 'emittedAt', e.emitted_at,
        'workspaceId', e.workspace_id, 'userId', e.user_id, 'aggregateType', e.aggregate_type,
        'aggregateId', e.aggregate_id, 'data', e.data, 'metadata', e.metadata)
$$;

-- What a job keeps of the event that started it. The first event of a chain is what the chain is called after.
CREATE FUNCTION crmd.cause_json(e crmd.event) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('event', e.type, 'causationId', e.id,
        'correlationId', coalesce(e.metadata ->> 'correlationId', e.id::text))
$$;

-- The payload of a trigger's job: the fields of the event's data that its type knows, or the whole event.
CREATE FUNCTION crmd.trigger_payload(t crmd.trigger, e crmd.event) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN t.gives = 'event' THEN crmd.event_json(e)
        ELSE (SELECT coalesce(jsonb_object_agg(f, e.data -> f) FILTER (WHERE e.data ? f), '{}') FROM unnest(t.fields) f) END
$$;

-- Starts a trigger's jobs for events of one workspace and user, in their order; answers how many are new. An event
-- whose data does not meet the condition starts none. Jobs that have keys, which may meet one that waits, are enqueued
-- one by one; the others all at once.
CREATE FUNCTION crmd.deliver(t crmd.trigger, events crmd.event[], run_at timestamptz) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
#variable_conflict use_variable
DECLARE
    v_run_at timestamptz := deliver.run_at + make_interval(secs => t.delay_seconds);
    v_events crmd.event[] := ARRAY(
        SELECT e FROM unnest(deliver.events) e
        WHERE t.condition IS NULL OR jsonb_path_match(e.data, t.condition, '{}', true) ORDER BY e.seq);
    e crmd.event;
    v_job record;
    v_jobs uuid[] := '{}';
    v_new integer := 0;
BEGIN
    IF v_events = '{}' THEN
        RETURN 0;
    END IF;
    IF t.dedup IS NULL AND NOT EXISTS (SELECT FROM crmd.job_type_called(t.job_type) k
                                       WHERE k.unique_scope IS NOT NULL OR k.has_collisions) THEN
        SELECT array_agg(q.id ORDER BY q.place), count(*) INTO v_jobs, v_new FROM crmd.enqueue_many(
            t.job_type, ARRAY(SELECT crmd.trigger_payload(t, x) FROM unnest(v_events) x), v_events[1].workspace_id,
            v_events[1].user_id, v_run_at, t.priority,
            metas => ARRAY(SELECT crmd.cause_json(x) FROM unnest(v_events) x)) q;
    ELSE
        FOREACH e IN ARRAY v_events LOOP
            SELECT q.id, q.is_new, q.answer INTO v_job FROM crmd.enqueue_many(
                t.job_type, ARRAY[crmd.trigger_payload(t, e)], e.workspace_id, e.user_id, v_run_at, t.priority,
                unique_keys => CASE WHEN t.dedup IS NOT NULL THEN ARRAY[
                    'event/' || (SELECT string_agg(crmd.key_value(coalesce(e.data ->> f, '')), '/' ORDER BY n)
                                 FROM unnest(t.dedup) WITH ORDINALITY AS d(f, n))] END,
                unique_scope => CASE WHEN t.dedup IS NOT NULL THEN 'waiting' END,
                on_conflict => CASE WHEN t.dedup IS NULL THEN NULL WHEN t.max_delay_seconds IS NULL THEN 'keep_time'
                                    ELSE 'push_back' END,
                max_delay_seconds => t.max_delay_seconds, meta => crmd.cause_json(e)) q;
            v_jobs := v_jobs || CASE WHEN v_job.answer <> 'rejected' THEN v_job.id END;
            v_new := v_new + v_job.is_new::integer;
        END LOOP;
    END IF;
    IF t.gives = 'event' THEN
        INSERT INTO crmd.delivery AS d (handler, event_id, emitted_at, seq, aggregate, job_id)
        SELECT t.job_type, x.id, x.emitted_at, x.seq,
            CASE WHEN t.is_ordered THEN x.aggregate_type || '/' || x.aggregate_id END, w.job_id
        FROM (SELECT v.*, row_number() OVER (ORDER BY v.seq) AS place FROM unnest(v_events) v) x
        JOIN unnest(v_jobs) WITH ORDINALITY AS w(job_id, place) ON w.place = x.place
        WHERE w.job_id IS NOT NULL -- a full limit of the handler may have rejected it: then it was handed to nobody
        ON CONFLICT ON CONSTRAINT delivery_pkey DO UPDATE SET job_id = excluded.job_id;
    END IF;
    RETURN v_new;
END $$;

-- Writes events, asks the functions that may veto, starts the jobs of triggers and handlers, wakes who waits, and tells
-- who listens: all in the caller's transaction. What nobody asks for costs one look at four small indexes.
-- metadata: one for each item of data, or one for all. Its key version is the version of the event's type.
CREATE FUNCTION crmd.record_events(
    type text, data jsonb[], workspace_id uuid, user_id uuid, aggregate_type text, aggregate_ids text[], metadata jsonb[]
) RETURNS uuid[]
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := crmd.clock();
    v_patterns text[] := crmd.event_patterns(record_events.type);
    v_ids uuid[];
    v_events crmd.event[];
    v_event crmd.event;
    v_function text;
    asked record;
    t crmd.trigger;
BEGIN
    PERFORM pg_current_xact_id(); -- before the first number is taken: crmd.settled_seq relies on it
    WITH added AS (
        INSERT INTO crmd.event AS e (id, emitted_at, type, version, workspace_id, user_id, aggregate_type, aggregate_id,
                                     data, metadata)
        SELECT crmd.uuid7(), v_now, record_events.type, coalesce((m.metadata ->> 'version')::smallint, 1),
               record_events.workspace_id, record_events.user_id, record_events.aggregate_type,
               record_events.aggregate_ids[d.place], d.item, m.metadata - 'version'
        FROM unnest(record_events.data) WITH ORDINALITY AS d(item, place) CROSS JOIN LATERAL (
            SELECT coalesce(record_events.metadata[d.place], record_events.metadata[1], '{}') AS metadata) m
        ORDER BY d.place
        RETURNING e.id
    )
    SELECT array_agg(a.id) INTO v_ids FROM added a;
    SELECT EXISTS (SELECT FROM crmd.event_function f WHERE f.event_type = ANY (v_patterns)) AS by_function,
        EXISTS (SELECT FROM crmd.trigger g WHERE g.event_type = ANY (v_patterns)) AS by_trigger,
        EXISTS (SELECT FROM crmd.event_listener l WHERE l.event_type = ANY (v_patterns) AND l.expires_at > v_now) AS by_listener,
        EXISTS (SELECT FROM crmd.waiting w WHERE w.event_type = record_events.type AND w.event IS NULL) AS by_waiting
    INTO asked;
    IF asked.by_function OR asked.by_trigger THEN
        SELECT array_agg(e ORDER BY e.seq) INTO v_events FROM crmd.event e
        WHERE e.emitted_at = v_now AND e.id = ANY (v_ids);
    END IF;
    IF asked.by_function THEN
        FOR v_function IN SELECT f.function_name FROM crmd.event_function f
                          WHERE f.event_type = ANY (v_patterns) ORDER BY 1 LOOP
            FOREACH v_event IN ARRAY v_events LOOP
                EXECUTE format('SELECT %s($1)', v_function::regproc) USING v_event;
            END LOOP;
        END LOOP;
    END IF;
    IF asked.by_trigger THEN
        -- One event starts at most one job of a type: the pattern that fits it closest decides.
        FOR t IN SELECT DISTINCT ON (g.job_type) g.* FROM crmd.trigger g
                 WHERE g.event_type = ANY (v_patterns) ORDER BY g.job_type, length(g.event_type) DESC LOOP
            PERFORM crmd.deliver(t, v_events, v_now);
        END LOOP;
    END IF;
    IF asked.by_waiting THEN
        PERFORM crmd.resume_waiting(record_events.type, v_ids, v_now);
    END IF;
    IF asked.by_listener THEN
        PERFORM pg_notify('crmd_events', json_build_object('type', record_events.type,
            'workspaceId', record_events.workspace_id, 'count', cardinality(v_ids), 'ids', v_ids[:100])::text);
    END IF;
    RETURN coalesce(v_ids, '{}');
END $$;

CREATE OR REPLACE FUNCTION crmd.emit_many(
    type text,
    data jsonb[],
    workspace_id uuid DEFAULT NULL,
    user_id uuid DEFAULT NULL,
    aggregate_type text DEFAULT NULL,
    aggregate_ids text[] DEFAULT NULL,
    metadata jsonb DEFAULT '{}'
) RETURNS SETOF uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY SELECT unnest(crmd.record_events(emit_many.type, emit_many.data, emit_many.workspace_id,
        emit_many.user_id, emit_many.aggregate_type, emit_many.aggregate_ids, ARRAY[emit_many.metadata]));
END $$;

-- Hands past events to a handler again, one page of them; answers how many jobs it made. What the handler was given
-- before is left out, unless it is forced. Two replays to one handler take turns, so that neither hands over twice.
CREATE FUNCTION crmd.redeliver(handler text, event_ids uuid[], run_at timestamptz, is_forced boolean) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    t crmd.trigger;
    v_events crmd.event[];
    v_made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('crmd.redeliver/' || redeliver.handler, 0));
    SELECT * INTO t FROM crmd.trigger g
    WHERE g.job_type = redeliver.handler AND g.gives = 'event' ORDER BY g.event_type LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no handler of events "%" is registered', redeliver.handler
            USING ERRCODE = 'CR001', HINT = 'List them: SELECT job_type FROM crmd.trigger WHERE gives = ''event''.';
    END IF;
    t.delay_seconds := 0;
    FOR v_events IN
        SELECT array_agg(e ORDER BY e.seq) FROM crmd.event e
        WHERE e.id = ANY (redeliver.event_ids) AND (redeliver.is_forced OR NOT EXISTS (
            SELECT FROM crmd.delivery d
            WHERE d.handler = redeliver.handler AND d.event_id = e.id AND d.emitted_at = e.emitted_at))
        GROUP BY e.workspace_id, e.user_id ORDER BY min(e.seq)
    LOOP
        v_made := v_made + crmd.deliver(t, v_events, redeliver.run_at);
    END LOOP;
    RETURN v_made;
END $$;

-- The job that stands for one by now: a dead letter that was set going again is another job.
CREATE FUNCTION crmd.newest_job(job_id uuid) RETURNS uuid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
    v_id uuid := newest_job.job_id;
    v_next uuid;
BEGIN
    LOOP
        SELECT r.new_job_id INTO v_next FROM crmd.redrive r WHERE r.job_id = v_id;
        IF NOT FOUND THEN
            RETURN v_id;
        END IF;
        v_id := v_next;
    END LOOP;
END $$;

-- How many seconds an event has to wait for the one before it of the same aggregate and handler; NULL: it is its turn.
-- The one before has waited for its own before, so one look is enough. One that is parked stops its aggregate until it
-- is retried or dismissed; one whose job retention has dropped stops nothing.
CREATE FUNCTION crmd.delivery_turn(handler text, event_id uuid, emitted_at timestamptz) RETURNS double precision
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT CASE j.status
        WHEN 'scheduled' THEN CASE WHEN isfinite(j.run_at)
            THEN greatest(extract(epoch FROM j.run_at - crmd.clock()), 0)::double precision + 0.05 ELSE 60 END
        WHEN 'dead' THEN 60 WHEN 'failed' THEN 60 WHEN 'pending' THEN 1 WHEN 'processing' THEN 1 END
    FROM crmd.delivery d CROSS JOIN LATERAL (
        SELECT b.job_id FROM crmd.delivery b
        WHERE b.handler = d.handler AND b.aggregate = d.aggregate AND b.seq < d.seq ORDER BY b.seq DESC LIMIT 1) before
    CROSS JOIN LATERAL (SELECT * FROM crmd.jobs j WHERE j.id = crmd.newest_job(before.job_id)) j
    WHERE d.handler = delivery_turn.handler AND d.event_id = delivery_turn.event_id
      AND d.emitted_at = delivery_turn.emitted_at
$$;

-- Whether anybody asked for events of a type of crmd's own. A pattern that fits all types is no such wish.
CREATE FUNCTION crmd.is_job_event_heard(type text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT EXISTS (SELECT FROM crmd.trigger g WHERE g.event_type IN (type, 'job.*'))
        OR EXISTS (SELECT FROM crmd.event_function f WHERE f.event_type IN (type, 'job.*'))
        OR EXISTS (SELECT FROM crmd.event_listener l WHERE l.event_type IN (type, 'job.*') AND l.expires_at > crmd.clock())
$$;

-- Emits job.completed, job.failed, job.cancelled and job.dead, those that somebody asked for, in the transaction that
-- ends the jobs. A job that such an event has started is not told of, or it would start itself for ever.
CREATE FUNCTION crmd.tell_ended() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    g record;
BEGIN
    FOR g IN
        SELECT 'job.' || a.status AS type, a.workspace_id, a.user_id, array_agg(a.id::text ORDER BY a.id) AS ids,
            array_agg(jsonb_strip_nulls(jsonb_build_object('jobId', a.id, 'type', a.type, 'status', a.status,
                'queue', a.queue, 'attempt', a.attempt, 'errorClass', a.errors -> -1 -> 'class',
                'errorMessage', a.errors -> -1 -> 'message')) ORDER BY a.id) AS data,
            array_agg(jsonb_build_object('source', 'crmd', 'causationId', a.id,
                'correlationId', coalesce(a.meta ->> 'correlationId', a.id::text)) ORDER BY a.id) AS metadata
        FROM ended a
        WHERE a.status = ANY (ARRAY(SELECT s FROM unnest('{completed,failed,cancelled,dead}'::text[]) s
                                    WHERE crmd.is_job_event_heard('job.' || s)))
          AND coalesce(a.meta ->> 'event', '') NOT LIKE 'job.%'
        GROUP BY a.status, a.workspace_id, a.user_id
    LOOP
        PERFORM crmd.record_events(g.type, g.data, g.workspace_id, g.user_id, 'job', g.ids, g.metadata);
    END LOOP;
    RETURN NULL;
END $$;

-- Whatever ends a job moves it here, so this is the one place that hears of every end. Off unless somebody asked: then
-- settling does not pay for it.
CREATE TRIGGER archive_told AFTER INSERT ON crmd.archive REFERENCING NEW TABLE AS ended
    FOR EACH STATEMENT EXECUTE FUNCTION crmd.tell_ended();
ALTER TABLE crmd.archive DISABLE TRIGGER archive_told;

-- Turns it on or off as the wishes are now. To be called after each change of them.
CREATE FUNCTION crmd.hear_jobs() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_wanted boolean;
BEGIN
    SELECT bool_or(crmd.is_job_event_heard('job.' || s)) INTO v_wanted
    FROM unnest('{completed,failed,cancelled,dead}'::text[]) s;
    IF v_wanted IS DISTINCT FROM (SELECT g.tgenabled <> 'D' FROM pg_trigger g
        WHERE g.tgrelid = 'crmd.archive'::regclass AND g.tgname = 'archive_told') THEN
        EXECUTE format('ALTER TABLE crmd.archive %s TRIGGER archive_told', CASE WHEN v_wanted THEN 'ENABLE' ELSE 'DISABLE' END);
    END IF;
END $$;

-- Refuses a condition that never says yes or no, as a path that only selects.
CREATE FUNCTION crmd.check_condition(condition jsonpath) RETURNS jsonpath
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
BEGIN
    PERFORM jsonb_path_match('{}', condition);
    RETURN condition;
EXCEPTION WHEN singleton_sql_json_item_required THEN
    RAISE EXCEPTION 'the condition % is neither true nor false', condition
        USING ERRCODE = 'CR003', HINT = 'Write a comparison, as $.amount > 100 && $.stage == "won".';
END $$;

-- Lets events of a type (or contact.*, or *) start jobs of a type, while daemons run.
CREATE FUNCTION crmd.add_trigger(
    event_type text,
    job_type text,
    condition jsonpath DEFAULT NULL,
    delay_seconds double precision DEFAULT 0,
    priority text DEFAULT NULL,
    dedup text[] DEFAULT NULL,
    max_delay_seconds double precision DEFAULT NULL
) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_schema jsonb;
BEGIN
    SELECT j.payload_schema INTO v_schema FROM crmd.job_type j WHERE j.name = add_trigger.job_type;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no job type "%" is registered', add_trigger.job_type
            USING ERRCODE = 'CR001', HINT = 'List the registered ones: SELECT name FROM crmd.job_type.';
    END IF;
    INSERT INTO crmd.trigger AS g (event_type, job_type, fields, delay_seconds, origin, condition, priority, dedup,
                                   max_delay_seconds)
    VALUES (add_trigger.event_type, add_trigger.job_type,
        ARRAY(SELECT jsonb_object_keys(v_schema -> '$defs' -> split_part(v_schema ->> '$ref', '/', 3) -> 'properties')),
        add_trigger.delay_seconds, 'runtime', crmd.check_condition(add_trigger.condition), add_trigger.priority,
        add_trigger.dedup, add_trigger.max_delay_seconds)
    ON CONFLICT ON CONSTRAINT trigger_pkey DO UPDATE SET delay_seconds = excluded.delay_seconds,
        condition = excluded.condition, priority = excluded.priority, dedup = excluded.dedup, fields = excluded.fields,
        max_delay_seconds = excluded.max_delay_seconds
    WHERE g.origin = 'runtime';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the plugin of "%" declares what % does', add_trigger.job_type, add_trigger.event_type
            USING ERRCODE = 'CR004', HINT = 'Ask for a narrower or a wider pattern of event types.';
    END IF;
    PERFORM crmd.hear_jobs();
END $$;

-- Takes back what crmd.add_trigger did; whether there was such a trigger.
CREATE FUNCTION crmd.remove_trigger(event_type text, job_type text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_found boolean;
BEGIN
    DELETE FROM crmd.trigger g WHERE g.event_type = remove_trigger.event_type
        AND g.job_type = remove_trigger.job_type AND g.origin = 'runtime';
    v_found := FOUND;
    PERFORM crmd.hear_jobs();
    RETURN v_found;
END $$;

-- Lets a function hear of events of a type inside the transaction that emits them; it raises to veto. It runs with the
-- rights of the owner of crmd, so only those who may call this may choose it.
CREATE FUNCTION crmd.add_event_function(event_type text, function_name text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
BEGIN
    IF to_regprocedure(function_name || '(crmd.event)') IS NULL THEN
        RAISE EXCEPTION 'there is no function %(crmd.event)', function_name
            USING ERRCODE = 'CR001', HINT = 'Name it with its schema, as sales.check_contact.';
    END IF;
    INSERT INTO crmd.event_function AS f (event_type, function_name) VALUES (add_event_function.event_type, function_name)
    ON CONFLICT DO NOTHING;
    PERFORM crmd.hear_jobs();
END $$;

CREATE FUNCTION crmd.remove_event_function(event_type text, function_name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    v_found boolean;
BEGIN
    DELETE FROM crmd.event_function f WHERE f.event_type = remove_event_function.event_type
        AND f.function_name = remove_event_function.function_name;
    v_found := FOUND;
    PERFORM crmd.hear_jobs();
    RETURN v_found;
END $$;

-- Asks for notices on the channel crmd_events: {"type", "workspaceId", "count", "ids"}, at most 100 ids, one notice a
-- statement. The wish lapses unless it is renewed, so that nobody pays for a listener that is gone.
CREATE FUNCTION crmd.listen_events(event_type text, listener_id uuid, seconds double precision DEFAULT 60) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    DELETE FROM crmd.event_listener l WHERE l.expires_at <= crmd.clock();
    INSERT INTO crmd.event_listener AS l (event_type, id, expires_at)
    VALUES (listen_events.event_type, listener_id, crmd.clock() + make_interval(secs => least(seconds, 3600)))
    ON CONFLICT ON CONSTRAINT event_listener_pkey DO UPDATE SET expires_at = excluded.expires_at;
    PERFORM crmd.hear_jobs();
END $$;

-- Lets a role of an application read events of every workspace, in their order, and listen.
CREATE FUNCTION crmd.grant_events(role_name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA crmd TO %I', role_name);
    EXECUTE format('GRANT SELECT ON crmd.event TO %I', role_name);
    EXECUTE format('DROP POLICY IF EXISTS %I ON crmd.event', 'event_reader_' || role_name);
    EXECUTE format('CREATE POLICY %I ON crmd.event FOR SELECT TO %I USING (true)', 'event_reader_' || role_name, role_name);
    EXECUTE format('GRANT EXECUTE ON FUNCTION crmd.settled_seq, crmd.listen_events TO %I', role_name);
END $$;

-- Events are only ever added: nobody but the owner may change or remove one, and crmd itself removes whole days.
REVOKE ALL ON crmd.event FROM PUBLIC;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA crmd FROM PUBLIC;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'crmd_app') THEN
        GRANT SELECT ON crmd.event, crmd.workspace_events TO crmd_app;
        GRANT EXECUTE ON FUNCTION crmd.generation, crmd.delivery_turn TO crmd_app;
    END IF;
END $$;
