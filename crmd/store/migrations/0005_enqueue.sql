-- Enqueueing in full: what becomes of a job whose unique key is taken, jobs that lapse before they start, versions of
-- payloads, and jobs that no daemon here can run.
--
-- A unique key always names the newest job of its kind. Whoever finds it taken gets that job (return), or changes it as
-- long as it has never started (replace, merge, push_back, keep_time). One that has started is never changed: a
-- follow-up takes the key over and is held until the earlier job is over.

ALTER TABLE crmd.job_type
    ADD COLUMN unique_on_conflict text,                  -- NULL: return
    ADD COLUMN unique_delay_seconds double precision,    -- due so long after the enqueue, unless the caller says when
    ADD COLUMN unique_max_delay_seconds double precision, -- how far push_back may move a job, from the first enqueue
    ADD COLUMN expires_seconds double precision,         -- lapses so long after it was due, if never started
    ADD COLUMN payload_version smallint NOT NULL DEFAULT 1,
    ADD COLUMN has_collisions boolean NOT NULL DEFAULT false; -- crmd.admit_collisions is asked before each enqueue

-- moves_until: up to when push_back may move the end of a key that holds for a time; NULL: not at all.
-- before_id: the job that job_id follows, which gets the key back should its follow-up be cancelled.
ALTER TABLE crmd.unique_key ADD COLUMN moves_until timestamptz, ADD COLUMN before_id uuid;

-- held = 'key': a follow-up that waits for the end of the job `follows`. 'unknown': no daemon that met it knows its type
-- or the version of its payload.
ALTER TABLE crmd.job ADD COLUMN follows uuid;
ALTER TABLE crmd.job DROP CONSTRAINT job_held_check;
ALTER TABLE crmd.job ADD CONSTRAINT job_held_check
    CHECK (held IN ('children', 'gather', 'after', 'suspect', 'reconcile', 'key', 'unknown')) NOT VALID;
CREATE INDEX job_follows ON crmd.job (follows) WHERE follows IS NOT NULL;
CREATE INDEX job_unknown ON crmd.job (type, id) WHERE held = 'unknown';

-- The text of a unique key: one name space per job type and workspace; without a key of the caller's the hash of the
-- payload, or of the named fields, nested ones as "contact.id". A jsonb writes its keys in one order.
CREATE FUNCTION crmd.unique_key_of(type text, workspace_id uuid, own text, fields text[], payload jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT type || '/' || coalesce(workspace_id::text, '') || '/' || coalesce(own,
        md5(CASE WHEN fields IS NULL THEN payload::text
            ELSE (SELECT coalesce(jsonb_object_agg(f, payload #> string_to_array(f, '.')), '{}')::text
                  FROM unnest(fields) f) END))
$$;

-- Whether the jobs of one call may have several lanes, since a key of their type counts by a field of the payload.
CREATE FUNCTION crmd.lane_varies(keys jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT EXISTS (SELECT FROM jsonb_array_elements(keys) k WHERE k ->> 'per' NOT IN ('workspace', 'user'))
$$;

-- Two payloads as one: arrays are appended, objects merged member by member, of anything else the newer one stands.
CREATE FUNCTION crmd.merge_payload(older jsonb, newer jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
    SELECT CASE
        WHEN jsonb_typeof(older) = 'array' AND jsonb_typeof(newer) = 'array' THEN older || newer
        WHEN jsonb_typeof(older) = 'object' AND jsonb_typeof(newer) = 'object' THEN (
            SELECT coalesce(jsonb_object_agg(key, CASE
                WHEN o.value IS NULL THEN n.value WHEN n.value IS NULL THEN o.value
                ELSE crmd.merge_payload(o.value, n.value) END), '{}')
            FROM jsonb_each(older) o FULL JOIN jsonb_each(newer) n USING (key))
        ELSE newer END
$$;

-- Takes the unique keys of jobs that are over and lets their follow-ups go. Nothing here waits: a key or a follow-up
-- that an enqueuer is just changing is left to it, and what then is left over, crmd.release_followers finds.
CREATE FUNCTION crmd.free_keys(ids uuid[], keys text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
BEGIN
    WITH held AS MATERIALIZED (
        SELECT u.key, u.before_id, EXISTS (SELECT FROM crmd.job x WHERE x.id = u.before_id)
            OR EXISTS (SELECT FROM crmd.lease x WHERE x.id = u.before_id) AS is_given_back
        FROM unnest(free_keys.ids, free_keys.keys) AS s(id, key)
        JOIN crmd.unique_key u ON u.key = s.key AND u.job_id = s.id
        WHERE u.expires_at = 'infinity' FOR UPDATE OF u SKIP LOCKED
    ), given_back AS (
        UPDATE crmd.unique_key u SET job_id = h.before_id, before_id = NULL
        FROM held h WHERE u.key = h.key AND h.is_given_back
    )
    DELETE FROM crmd.unique_key u USING held h WHERE u.key = h.key AND NOT h.is_given_back;
    PERFORM crmd.let_go(ARRAY(SELECT j.id FROM crmd.job j WHERE j.follows = ANY (free_keys.ids)
                              FOR UPDATE SKIP LOCKED));
END $$;

-- Lets follow-ups go whose turn has come. The caller has locked them.
CREATE FUNCTION crmd.let_go(ids uuid[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    v_queues text[];
BEGIN
    WITH gone AS (
        UPDATE crmd.job j SET held = NULL, follows = NULL WHERE j.id = ANY (let_go.ids) AND j.held = 'key'
        RETURNING j.queue
    )
    SELECT array_agg(g.queue) INTO v_queues FROM gone g;
    PERFORM crmd.wake(q) FROM (SELECT DISTINCT unnest(v_queues) AS q) w;
    RETURN coalesce(cardinality(v_queues), 0);
END $$;

-- Lets follow-ups go whose predecessor is over, as far as the end of that job could not do it: an enqueuer had just
-- locked them, or had not committed yet. Looks at a page of them; answers the last id of it, NULL: there are no more.
CREATE FUNCTION crmd.release_followers(after_id uuid, page integer) RETURNS uuid
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    v_seen uuid[] := ARRAY(SELECT j.follows FROM crmd.job j WHERE j.follows > coalesce(
        after_id, '00000000-0000-0000-0000-000000000000') ORDER BY j.follows LIMIT page);
BEGIN
    PERFORM crmd.let_go(ARRAY(
        SELECT j.id FROM crmd.job j WHERE j.follows = ANY (v_seen)
            AND NOT EXISTS (SELECT FROM crmd.job x WHERE x.id = j.follows)
            AND NOT EXISTS (SELECT FROM crmd.lease x WHERE x.id = j.follows)
        FOR UPDATE OF j SKIP LOCKED));
    RETURN v_seen[page];
END $$;

-- Lets jobs go that were held because nobody knew their type or version, as far as the caller knows them: names of
-- types, and the newest version of each one's payload. Answers how many.
CREATE FUNCTION crmd.release_unknown(types text[], versions integer[], page integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    v_queues text[];
BEGIN
    WITH gone AS (
        UPDATE crmd.job j SET held = NULL WHERE j.id = ANY (ARRAY(
            SELECT w.id FROM unnest(types, versions) AS k(type, version) JOIN crmd.job w ON w.type = k.type
            WHERE w.held = 'unknown' AND coalesce((w.meta ->> 'payloadVersion')::integer, 1) <= k.version
            LIMIT page FOR UPDATE OF w SKIP LOCKED))
        RETURNING j.queue
    )
    SELECT array_agg(g.queue) INTO v_queues FROM gone g;
    PERFORM crmd.wake(q) FROM (SELECT DISTINCT unnest(v_queues) AS q) w;
    RETURN coalesce(cardinality(v_queues), 0);
END $$;

-- Ends jobs that have not started by the instant that they were given, as crmd.cancel would; a page of them. Answers how
-- many. Waits for no lock that an enqueuer holds.
CREATE FUNCTION crmd.expire(page integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    c_reason CONSTANT text := 'it had not started by the time that it was given';
    v_after uuid[];
    v_ids uuid[];
    v_parents uuid[];
BEGIN
    -- What waits for other jobs is changed by nobody who does not hold its row of crmd.family.
    v_after := ARRAY(SELECT f.parent_id FROM crmd.family f WHERE f.parent_id = ANY (ARRAY(
        SELECT j.id FROM crmd.job j WHERE j.expires_at <= (SELECT crmd.clock()) AND j.started_at IS NULL
            AND j.held = 'after' ORDER BY j.expires_at LIMIT page))
        ORDER BY f.parent_id FOR UPDATE SKIP LOCKED);
    v_ids := ARRAY(SELECT j.id FROM crmd.job j WHERE j.expires_at <= (SELECT crmd.clock()) AND j.started_at IS NULL
        AND (coalesce(j.held, 'key') = 'key' OR j.id = ANY (v_after))
        ORDER BY j.expires_at LIMIT page FOR UPDATE SKIP LOCKED);
    SELECT array_agg(e.id), array_agg(e.parent_id) INTO v_ids, v_parents FROM (
        SELECT a.id, a.parent_id FROM crmd.archive_cancelled(v_ids, false, c_reason, 'Expired') a
        UNION ALL SELECT a.id, a.parent_id FROM crmd.archive_cancelled(v_ids, true, c_reason, 'Expired') a) e;
    IF v_ids IS NOT NULL THEN
        PERFORM crmd.book_ended(v_ids, v_parents, array_fill('cancelled'::text, ARRAY[cardinality(v_ids)]),
                                array_fill(NULL::jsonb, ARRAY[cardinality(v_ids)]));
    END IF;
    RETURN coalesce(cardinality(v_ids), 0);
END $$;

-- What the jobs of one call have in common, and how their keys behave. An enqueue of its own type, since so much of it
-- is passed on.
CREATE TYPE crmd.enqueue_rule AS (
    scope text,                       -- waiting | unfinished | for
    seconds double precision,         -- how long scope "for" holds
    on_conflict text,                 -- return | replace | merge | push_back | keep_time
    max_delay_seconds double precision, -- how far push_back may move, from the first enqueue
    is_time_given boolean,            -- the caller said when the job is due, or how urgent it is, or when it lapses:
    is_priority_given boolean,        -- then a job that waits already gets that too
    is_expiry_given boolean
);

-- Inserts jobs that all look like j, under ids, keys and payloads of their own; elements without an id are left out.
-- Answers those that a full limit of their type rejected; their keys are free again.
CREATE FUNCTION crmd.insert_jobs(t crmd.job_type, j crmd.job, ids uuid[], keys text[], payloads jsonb[]) RETURNS uuid[]
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    v_varies boolean := crmd.lane_varies(t.keys);
    v_lanes text[] := ARRAY(
        SELECT CASE WHEN v_varies THEN crmd.lane_of(t.keys, j.workspace_id, j.user_id, w.payload) ELSE j.lane END
        FROM unnest(insert_jobs.ids, insert_jobs.payloads) WITH ORDINALITY AS w(id, payload, place) ORDER BY w.place);
    v_rejected uuid[] := '{}';
BEGIN
    IF t.has_collisions AND j.held IS NULL THEN
        SELECT coalesce(array_agg(w.id) FILTER (WHERE NOT w.is_admitted), '{}') INTO v_rejected
        FROM unnest(
            ARRAY(SELECT i.id FROM unnest(insert_jobs.ids) WITH ORDINALITY AS i(id, place)
                  WHERE i.id IS NOT NULL ORDER BY i.place),
            crmd.admit_collisions(t.name, ARRAY(
                SELECT i.lane FROM unnest(insert_jobs.ids, v_lanes) WITH ORDINALITY AS i(id, lane, place)
                WHERE i.id IS NOT NULL ORDER BY i.place))) AS w(id, is_admitted);
        DELETE FROM crmd.unique_key u WHERE u.key = ANY (insert_jobs.keys) AND u.job_id = ANY (v_rejected);
    END IF;
    INSERT INTO crmd.job (id, run_at, rank_at, created_at, max_attempts, type, queue, priority, payload, lane, held,
                          workspace_id, user_id, parent_id, unique_key, meta, expires_at, follows)
    SELECT w.id, j.run_at, j.rank_at, j.created_at, j.max_attempts, j.type, j.queue, j.priority, w.payload, w.lane,
           j.held, j.workspace_id, j.user_id, j.parent_id, w.key, j.meta, j.expires_at, j.follows
    FROM unnest(insert_jobs.ids, insert_jobs.keys, insert_jobs.payloads, v_lanes)
        WITH ORDINALITY AS w(id, key, payload, lane, place)
    WHERE w.id IS NOT NULL AND w.id <> ALL (v_rejected) ORDER BY w.place;
    RETURN v_rejected;
END $$;

-- Takes the keys that are free, in order of key, for jobs with these ids. Answers, place by place, the job that holds
-- the key afterwards. A key that is found taken is not locked: its holder may end meanwhile, and the next may come.
CREATE FUNCTION crmd.take_keys(ids uuid[], keys text[], rule crmd.enqueue_rule, at timestamptz) RETURNS uuid[]
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    v_holders uuid[];
    v_stale uuid[];
BEGIN
    -- A key whose job is nowhere: who ended that job left it to an enqueuer that then rolled back.
    SELECT array_agg(CASE WHEN NOT h.is_stale THEN h.job_id END ORDER BY w.place),
           coalesce(array_agg(h.job_id) FILTER (WHERE h.is_stale), '{}')
    INTO v_holders, v_stale
    FROM unnest(take_keys.keys) WITH ORDINALITY AS w(key, place)
    LEFT JOIN LATERAL (
        SELECT k.job_id, k.expires_at = 'infinity'
            AND NOT EXISTS (SELECT FROM crmd.job x WHERE x.id = k.job_id)
            AND NOT EXISTS (SELECT FROM crmd.lease x WHERE x.id = k.job_id) AS is_stale
        FROM crmd.unique_key k WHERE k.key = w.key AND k.expires_at > take_keys.at) h ON true;
    IF array_position(v_holders, NULL) IS NULL THEN
        RETURN v_holders;
    END IF;
    INSERT INTO crmd.unique_key AS k (key, job_id, scope, expires_at, moves_until)
    SELECT DISTINCT ON (w.key) w.key, w.id, (take_keys.rule).scope,
           CASE WHEN (take_keys.rule).scope = 'for' THEN take_keys.at + make_interval(secs => (take_keys.rule).seconds)
                ELSE 'infinity' END,
           take_keys.at + make_interval(secs => (take_keys.rule).max_delay_seconds)
    FROM unnest(take_keys.ids, take_keys.keys, v_holders) WITH ORDINALITY AS w(id, key, holder, place)
    WHERE w.holder IS NULL ORDER BY w.key, w.place
    ON CONFLICT (key) DO UPDATE SET job_id = excluded.job_id, scope = excluded.scope,
        expires_at = excluded.expires_at, moves_until = excluded.moves_until, before_id = NULL
        WHERE k.expires_at <= take_keys.at OR k.job_id = ANY (v_stale);
    -- A statement of its own: its snapshot sees the key of whoever won the race.
    RETURN ARRAY(
        SELECT coalesce(w.holder, k.job_id)
        FROM unnest(take_keys.keys, v_holders) WITH ORDINALITY AS w(key, holder, place)
        LEFT JOIN crmd.unique_key k ON w.holder IS NULL AND k.key = w.key ORDER BY w.place);
END $$;

-- Changes the waiting job behind a key as the rule says. Answers what was done; NULL: a follow-up is due, since the job
-- has started by now, waits for other jobs, or would become too large or of two versions; 'rejected' where the job is
-- a follow-up already.
CREATE FUNCTION crmd.change_waiting(p_id uuid, p_payload jsonb, t crmd.job_type, j crmd.job, rule crmd.enqueue_rule)
RETURNS text LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    c_bytes_max CONSTANT integer := 262144;
    w crmd.job;
    v_run_at timestamptz;
    v_meta jsonb;
BEGIN
    SELECT * INTO w FROM crmd.job x
    WHERE x.id = p_id AND x.started_at IS NULL AND coalesce(x.held, 'key') = 'key' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF rule.on_conflict = 'merge' THEN
        p_payload := crmd.merge_payload(w.payload, p_payload);
        IF octet_length(p_payload::text) > c_bytes_max
           OR (w.meta -> 'payloadVersion') IS DISTINCT FROM (j.meta -> 'payloadVersion') THEN
            RETURN CASE WHEN w.held IS NOT NULL THEN 'rejected' END;
        END IF;
    END IF;
    v_run_at := CASE
        WHEN rule.on_conflict = 'push_back'
            THEN greatest(w.run_at, least(j.run_at, w.created_at + make_interval(secs => rule.max_delay_seconds)))
        WHEN rule.is_time_given AND rule.on_conflict <> 'keep_time' THEN j.run_at
        ELSE w.run_at END;
    IF rule.is_priority_given THEN
        w.priority := j.priority;
    END IF;
    v_meta := nullif(coalesce(w.meta, '{}') - 'payloadVersion'
        || jsonb_strip_nulls(jsonb_build_object('payloadVersion', j.meta -> 'payloadVersion')), '{}');
    UPDATE crmd.job x SET payload = p_payload, run_at = v_run_at, rank_at = v_run_at - crmd.head_start(w.priority),
        priority = w.priority, lane = crmd.lane_of(t.keys, w.workspace_id, w.user_id, p_payload), meta = v_meta,
        expires_at = CASE WHEN rule.is_expiry_given THEN j.expires_at ELSE w.expires_at + (v_run_at - w.run_at) END
    WHERE x.id = p_id;
    RETURN CASE rule.on_conflict WHEN 'replace' THEN 'replaced' WHEN 'merge' THEN 'merged'
                                 WHEN 'push_back' THEN 'pushed_back' ELSE 'kept' END;
END $$;

-- Meets a key that is taken: changes the job that waits behind it, or queues p_id to follow the one that has started.
-- Answers the job that now stands for the key, and what was done.
CREATE FUNCTION crmd.meet_taken(
    p_id uuid, p_key text, p_payload jsonb, t crmd.job_type, j crmd.job, rule crmd.enqueue_rule,
    OUT id uuid, OUT answer text
) LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    k crmd.unique_key;
BEGIN
    LOOP
        SELECT * INTO k FROM crmd.unique_key u WHERE u.key = p_key;
        id := k.job_id;
        IF NOT FOUND OR k.expires_at <= j.created_at THEN -- its job ended while we were on the way
            IF p_id = (crmd.take_keys(ARRAY[p_id], ARRAY[p_key], rule, j.created_at))[1] THEN
                EXIT;
            END IF;
            CONTINUE;
        END IF;
        IF rule.on_conflict = 'push_back' AND k.scope = 'for' THEN -- the leading edge: only the window moves
            UPDATE crmd.unique_key u SET expires_at = greatest(u.expires_at, least(u.moves_until,
                j.created_at + make_interval(secs => rule.seconds))) WHERE u.key = p_key AND u.job_id = k.job_id;
            CONTINUE WHEN NOT FOUND;
            answer := 'pushed_back';
            RETURN;
        END IF;
        answer := crmd.change_waiting(k.job_id, p_payload, t, j, rule);
        IF answer IS NOT NULL THEN
            RETURN;
        END IF;
        IF k.scope = 'for' THEN -- the next window
            j.run_at := greatest(j.run_at, k.expires_at);
            j.rank_at := j.run_at - crmd.head_start(j.priority);
        END IF;
        j.follows := CASE WHEN k.scope <> 'waiting' AND (EXISTS (SELECT FROM crmd.job x WHERE x.id = k.job_id)
                            OR EXISTS (SELECT FROM crmd.lease x WHERE x.id = k.job_id)) THEN k.job_id END;
        j.held := CASE WHEN j.follows IS NOT NULL THEN 'key' END;
        UPDATE crmd.unique_key u SET job_id = p_id, before_id = j.follows,
            expires_at = CASE WHEN u.scope = 'for' THEN j.run_at + make_interval(secs => rule.seconds) ELSE 'infinity' END
        WHERE u.key = p_key AND u.job_id = k.job_id;
        EXIT WHEN FOUND;
    END LOOP;
    id := p_id;
    answer := CASE cardinality(crmd.insert_jobs(t, j, ARRAY[p_id], ARRAY[p_key], ARRAY[p_payload]))
              WHEN 0 THEN 'created' ELSE 'rejected' END;
END $$;

-- How the keys of one call behave: what the caller says, else what the job type declares.
CREATE FUNCTION crmd.rule_of(
    t crmd.job_type, scope text, seconds double precision, on_conflict text, max_delay_seconds double precision
) RETURNS crmd.enqueue_rule LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
    r crmd.enqueue_rule;
BEGIN
    r.scope := coalesce(rule_of.scope, t.unique_scope, 'unfinished');
    r.seconds := coalesce(rule_of.seconds, t.unique_seconds);
    r.on_conflict := coalesce(rule_of.on_conflict, t.unique_on_conflict, 'return');
    r.max_delay_seconds := coalesce(rule_of.max_delay_seconds, t.unique_max_delay_seconds);
    IF r.scope NOT IN ('waiting', 'unfinished', 'for') THEN
        RAISE EXCEPTION 'unique_scope "%" is none of waiting, unfinished, for', r.scope USING ERRCODE = 'CR003';
    ELSIF r.on_conflict NOT IN ('return', 'replace', 'merge', 'push_back', 'keep_time') THEN
        RAISE EXCEPTION 'on_conflict "%" is none of return, replace, merge, push_back, keep_time', r.on_conflict
            USING ERRCODE = 'CR003';
    ELSIF r.scope = 'for' AND coalesce(r.seconds, 0) <= 0 THEN
        RAISE EXCEPTION 'unique_scope "for" needs unique_seconds' USING ERRCODE = 'CR003';
    ELSIF r.on_conflict = 'push_back' AND coalesce(r.max_delay_seconds, 0) <= 0 THEN
        RAISE EXCEPTION 'push_back needs max_delay_seconds, or a job might never start' USING ERRCODE = 'CR003';
    END IF;
    RETURN r;
END $$;

-- What crmd.enqueue_many does where keys decide: j is what the new jobs have in common. Answers, place by place, an id
-- and created | returned | replaced | merged | pushed_back | kept | rejected; the id of a rejected job is of no job.
--
-- Locks are taken in one order: turns, keys by key, waiting jobs by id. Nobody who ends or claims a job waits for one of
-- them, so an enqueuer's transaction may be long. Those who change what waits behind one key take turns by a hash of it,
-- so that the newest payload is the one that stays.
CREATE FUNCTION crmd.enqueue_keyed(
    t crmd.job_type, j crmd.job, rule crmd.enqueue_rule, payloads jsonb[], keys text[], OUT ids uuid[], OUT answers text[]
) LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    v_holders uuid[];
    v_rejected uuid[];
    v_one record;
    v_met record;
BEGIN
    ids := ARRAY(SELECT crmd.uuid7() FROM generate_subscripts(enqueue_keyed.payloads, 1));
    v_holders := ids;
    IF enqueue_keyed.keys IS NOT NULL THEN
        IF rule.on_conflict <> 'return' THEN
            PERFORM pg_advisory_xact_lock(1668441444, b.bucket) FROM (
                SELECT DISTINCT hashtext(w.key) & 1023 AS bucket FROM unnest(enqueue_keyed.keys) AS w(key)
                ORDER BY 1) b;
        END IF;
        v_holders := crmd.take_keys(ids, enqueue_keyed.keys, rule, j.created_at);
    END IF;
    v_rejected := crmd.insert_jobs(t, j, ARRAY(
        SELECT CASE WHEN w.id = w.holder THEN w.id END
        FROM unnest(ids, v_holders) WITH ORDINALITY AS w(id, holder, place) ORDER BY w.place),
        enqueue_keyed.keys, enqueue_keyed.payloads);
    answers := ARRAY(
        SELECT CASE WHEN w.holder = ANY (v_rejected) THEN 'rejected' WHEN w.id = w.holder THEN 'created' ELSE 'returned' END
        FROM unnest(ids, v_holders) WITH ORDINALITY AS w(id, holder, place) ORDER BY w.place);
    IF rule.on_conflict = 'return' OR enqueue_keyed.keys IS NULL THEN
        ids := v_holders;
        RETURN;
    END IF;
    PERFORM FROM crmd.job x WHERE x.id = ANY (v_holders) AND x.started_at IS NULL ORDER BY x.id FOR UPDATE;
    FOR v_one IN SELECT w.* FROM unnest(ids, enqueue_keyed.keys, v_holders) WITH ORDINALITY AS w(id, key, holder, place)
                 WHERE w.id <> w.holder ORDER BY w.key, w.place LOOP
        v_met := crmd.meet_taken(v_one.id, v_one.key, enqueue_keyed.payloads[v_one.place], t, j, rule);
        ids[v_one.place] := v_met.id;
        answers[v_one.place] := v_met.answer;
    END LOOP;
END $$;

-- The functions that follow take the place of those of 0003, with more parameters. Who could call those can call these.
DO $$
BEGIN
    PERFORM set_config('crmd.enqueuers', coalesce(string_agg(DISTINCT quote_ident(r.rolname), ', '), ''), true)
    FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a JOIN pg_roles r ON r.oid = a.grantee
    WHERE p.oid = 'crmd.enqueue_many'::regproc AND a.grantee <> p.proowner;
END $$;
-- squawk-ignore ban-drop-function
DROP FUNCTION crmd.enqueue_many, crmd.enqueue;

-- Enqueues one job per payload, all of one type. Answers one row per payload, in order: the id of the job that now
-- stands for it, whether that job is new, and what was done: created | returned | replaced | merged | pushed_back |
-- kept | rejected (by a full limit of its type: there is no job of that id). docs/enqueue.md tells each parameter.
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
    is_after_any boolean DEFAULT false
) RETURNS TABLE (place integer, id uuid, is_new boolean, answer text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    t crmd.job_type;
    j crmd.job;
    rule crmd.enqueue_rule;
    v_varies boolean := false;
    v_version integer;
    v_ids uuid[];
    v_answers text[];
    v_new integer;
BEGIN
    SELECT * INTO t FROM crmd.job_type k WHERE k.name = enqueue_many.type;
    IF NOT FOUND THEN
        SELECT * INTO t FROM crmd.job_type k WHERE enqueue_many.type = ANY (k.aliases);
    END IF;
    IF t.name IS NULL THEN
        RAISE EXCEPTION 'no job type "%" is registered', enqueue_many.type
            USING ERRCODE = 'CR001', HINT = 'List the registered ones: SELECT name FROM crmd.job_type.';
    END IF;
    IF t.is_payload_sealed AND EXISTS (SELECT FROM unnest(enqueue_many.payloads) p WHERE p <> '{}' AND NOT p ? '$sealed') THEN
        RAISE EXCEPTION 'the payloads of "%" are sealed, which SQL cannot do', t.name
            USING ERRCODE = 'CR007', HINT = 'Enqueue it from Python, the command line or the API.';
    END IF;
    j.created_at := crmd.clock();
    j.run_at := coalesce(enqueue_many.run_at, j.created_at + make_interval(secs => coalesce(
        enqueue_many.delay_seconds, t.unique_delay_seconds)), j.created_at);
    j.priority := coalesce(enqueue_many.priority, t.priority);
    j.rank_at := j.run_at - crmd.head_start(j.priority);
    IF j.rank_at IS NULL THEN
        RAISE EXCEPTION 'priority "%" is none of critical, high, normal, low', j.priority USING ERRCODE = 'CR002';
    END IF;
    j.type := t.name;
    j.queue := coalesce(enqueue_many.queue, t.queue);
    j.max_attempts := coalesce(enqueue_many.max_attempts, t.max_attempts);
    j.workspace_id := enqueue_many.workspace_id;
    j.user_id := enqueue_many.user_id;
    j.parent_id := enqueue_many.parent_id;
    IF t.keys <> '[]' THEN
        v_varies := crmd.lane_varies(t.keys);
        j.lane := crmd.lane_of(t.keys, j.workspace_id, j.user_id, '{}');
    END IF;
    j.expires_at := coalesce(enqueue_many.expires_at, j.run_at + make_interval(secs => coalesce(
        enqueue_many.expires_in_seconds, t.expires_seconds)));
    v_version := coalesce(enqueue_many.payload_version, t.payload_version);
    j.meta := enqueue_many.meta - 'payloadVersion';
    IF v_version > 1 THEN
        j.meta := coalesce(j.meta, '{}') || jsonb_build_object('payloadVersion', v_version);
    END IF;
    IF cardinality(enqueue_many.after) > 0 THEN
        j.held := 'after';
    END IF;

    IF t.unique_scope IS NULL AND enqueue_many.unique_keys IS NULL AND NOT t.has_collisions AND j.held IS NULL THEN
        RETURN QUERY
        WITH added AS (
            INSERT INTO crmd.job (id, run_at, rank_at, created_at, max_attempts, type, queue, priority, payload, lane,
                                  workspace_id, user_id, parent_id, meta, expires_at)
            SELECT crmd.uuid7(), j.run_at, j.rank_at, j.created_at, j.max_attempts, j.type, j.queue, j.priority,
                   p.payload,
                   CASE WHEN v_varies THEN crmd.lane_of(t.keys, j.workspace_id, j.user_id, p.payload) ELSE j.lane END,
                   j.workspace_id, j.user_id, j.parent_id,
                   CASE WHEN enqueue_many.metas IS NULL THEN j.meta
                        ELSE coalesce(j.meta, '{}') || enqueue_many.metas[p.place] END, j.expires_at
            FROM unnest(enqueue_many.payloads) WITH ORDINALITY AS p(payload, place)
            ORDER BY p.place
            RETURNING crmd.job.id
        )
        SELECT (row_number() OVER ())::integer, a.id, true, 'created' FROM added a;
        v_new := cardinality(enqueue_many.payloads);
    ELSE
        rule := crmd.rule_of(t, enqueue_many.unique_scope, enqueue_many.unique_seconds, enqueue_many.on_conflict,
                             enqueue_many.max_delay_seconds);
        rule.is_time_given := enqueue_many.run_at IS NOT NULL OR enqueue_many.delay_seconds IS NOT NULL;
        rule.is_priority_given := enqueue_many.priority IS NOT NULL;
        rule.is_expiry_given := enqueue_many.expires_at IS NOT NULL OR enqueue_many.expires_in_seconds IS NOT NULL;
        IF j.held IS NOT NULL AND rule.on_conflict <> 'return' THEN
            RAISE EXCEPTION 'a job that changes another one cannot wait for jobs of its own'
                USING ERRCODE = 'CR003', HINT = 'Leave out "after", or on_conflict.';
        END IF;
        SELECT e.ids, e.answers INTO v_ids, v_answers FROM crmd.enqueue_keyed(t, j, rule, enqueue_many.payloads,
            CASE WHEN t.unique_scope IS NOT NULL OR enqueue_many.unique_keys IS NOT NULL THEN ARRAY(
                SELECT crmd.unique_key_of(t.name, j.workspace_id, enqueue_many.unique_keys[p.place], t.unique_fields,
                                          p.payload)
                FROM unnest(enqueue_many.payloads) WITH ORDINALITY AS p(payload, place) ORDER BY p.place) END) e;
        SELECT count(*) INTO v_new FROM unnest(v_answers) a WHERE a = 'created';
        IF j.held IS NOT NULL AND v_new > 0 THEN
            PERFORM crmd.hold_after(ARRAY(SELECT w.id FROM unnest(v_ids, v_answers) AS w(id, answer)
                                          WHERE w.answer = 'created'), enqueue_many.after, enqueue_many.is_after_any);
        END IF;
        RETURN QUERY SELECT w.place::integer, w.id, w.answer = 'created', w.answer
            FROM unnest(v_ids, v_answers) WITH ORDINALITY AS w(id, answer, place) ORDER BY w.place;
    END IF;

    IF j.parent_id IS NOT NULL AND v_new > 0 THEN
        INSERT INTO crmd.family AS f (parent_id, total, pending) VALUES (j.parent_id, v_new, v_new)
        ON CONFLICT (parent_id) DO UPDATE SET total = f.total + excluded.total, pending = f.pending + excluded.pending;
    END IF;
    IF (v_new > 0 OR rule.on_conflict <> 'return') AND j.run_at <= j.created_at + interval '10 seconds' THEN
        PERFORM crmd.wake(j.queue);
    END IF;
END $$;

-- Enqueues one job and answers the id of the job that now stands for it; NULL: a full limit of its type rejected it.
CREATE FUNCTION crmd.enqueue(
    type text,
    payload jsonb DEFAULT '{}',
    workspace_id uuid DEFAULT NULL,
    user_id uuid DEFAULT NULL,
    run_at timestamptz DEFAULT NULL,
    priority text DEFAULT NULL,
    queue text DEFAULT NULL,
    unique_key text DEFAULT NULL,
    max_attempts integer DEFAULT NULL,
    parent_id uuid DEFAULT NULL,
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
    is_after_any boolean DEFAULT false
) RETURNS uuid LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT CASE WHEN e.answer <> 'rejected' THEN e.id END FROM crmd.enqueue_many(
        enqueue.type, ARRAY[enqueue.payload], enqueue.workspace_id, enqueue.user_id, enqueue.run_at, enqueue.priority,
        enqueue.queue, CASE WHEN enqueue.unique_key IS NOT NULL THEN ARRAY[enqueue.unique_key] END, enqueue.parent_id,
        enqueue.max_attempts, enqueue.meta, enqueue.unique_scope, enqueue.unique_seconds, enqueue.on_conflict,
        enqueue.max_delay_seconds, enqueue.delay_seconds, enqueue.expires_at, enqueue.expires_in_seconds,
        enqueue.after, enqueue.payload_version, is_after_any => enqueue.is_after_any) e
$$;

REVOKE EXECUTE ON FUNCTION crmd.unique_key_of, crmd.lane_varies, crmd.merge_payload, crmd.free_keys, crmd.let_go,
    crmd.release_followers, crmd.release_unknown, crmd.expire, crmd.rule_of, crmd.insert_jobs, crmd.take_keys,
    crmd.change_waiting, crmd.meet_taken, crmd.enqueue_keyed, crmd.enqueue_many, crmd.enqueue FROM PUBLIC;
DO $$
BEGIN
    IF current_setting('crmd.enqueuers') <> '' THEN
        EXECUTE format('GRANT EXECUTE ON FUNCTION crmd.enqueue, crmd.enqueue_many TO %s',
                       current_setting('crmd.enqueuers'));
    END IF;
END $$;
