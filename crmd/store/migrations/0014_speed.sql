-- Enqueueing at less cost: ids of a batch in one go, and answers as arrays.

-- So many ids in order (RFC 9562, version 7): one of crmd.uuid7() and those that follow it, as section 6.2 has it for ids
-- that are made together. To draw 62 random bits for each costs more than to insert the row that it names.
CREATE FUNCTION crmd.uuid7s(how_many integer) RETURNS uuid[]
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    v_id text := crmd.uuid7();
    v_head text := left(v_id, 28);
    -- The last 32 bits count on from a random number between 2^28 and 2^30 + 2^28: eight digits, whatever is added.
    v_first bigint := 268435456 + (('x' || right(v_id, 8))::bit(32)::bigint & 1073741823);
BEGIN
    RETURN ARRAY(SELECT (v_head || to_hex(v_first + n))::uuid FROM generate_series(1, uuid7s.how_many) n);
END $$;

-- Enqueues one job per payload, all of one type. Answers arrays in the order of the payloads: the ids of the jobs that now
-- stand for them, and what was done, see crmd.enqueue_many; NULL: all were created.
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
    v_new integer := cardinality(enqueue_batch.payloads);
BEGIN
    SELECT * INTO t FROM crmd.job_type k WHERE k.name = enqueue_batch.type;
    IF NOT FOUND THEN
        SELECT * INTO t FROM crmd.job_type k WHERE enqueue_batch.type = ANY (k.aliases);
    END IF;
    IF t.name IS NULL THEN
        RAISE EXCEPTION 'no job type "%" is registered', enqueue_batch.type
            USING ERRCODE = 'CR001', HINT = 'List the registered ones: SELECT name FROM crmd.job_type.';
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

    IF t.unique_scope IS NULL AND enqueue_batch.unique_keys IS NULL AND NOT t.has_collisions AND j.held IS NULL THEN
        IF v_new = 1 AND enqueue_batch.metas IS NULL THEN -- the commonest call of all; VALUES is planned once and for all
            IF v_varies THEN
                j.lane := crmd.lane_of(t.keys, j.workspace_id, j.user_id, enqueue_batch.payloads[1]);
            END IF;
            INSERT INTO crmd.job (id, run_at, rank_at, created_at, max_attempts, type, queue, priority, payload, lane,
                                  workspace_id, user_id, parent_id, meta, expires_at)
            VALUES (crmd.uuid7(), j.run_at, j.rank_at, j.created_at, j.max_attempts, j.type, j.queue, j.priority,
                    enqueue_batch.payloads[1], j.lane, j.workspace_id, j.user_id, j.parent_id, j.meta, j.expires_at)
            RETURNING ARRAY[crmd.job.id] INTO ids;
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


-- Enqueues one job per payload, all of one type. Answers one row per payload, in order: the id of the job that now
-- stands for it, whether that job is new, and what was done: created | returned | replaced | merged | pushed_back |
-- kept | rejected (by a full limit of its type: there is no job of that id). docs/enqueue.md tells each parameter.
CREATE OR REPLACE FUNCTION crmd.enqueue_many(
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
    v_ids uuid[];
    v_answers text[];
BEGIN
    SELECT e.ids, e.answers INTO v_ids, v_answers FROM crmd.enqueue_batch(
        enqueue_many.type, enqueue_many.payloads, enqueue_many.workspace_id, enqueue_many.user_id,
        enqueue_many.run_at, enqueue_many.priority, enqueue_many.queue, enqueue_many.unique_keys,
        enqueue_many.parent_id, enqueue_many.max_attempts, enqueue_many.meta, enqueue_many.unique_scope,
        enqueue_many.unique_seconds, enqueue_many.on_conflict, enqueue_many.max_delay_seconds,
        enqueue_many.delay_seconds, enqueue_many.expires_at, enqueue_many.expires_in_seconds,
        enqueue_many.after, enqueue_many.payload_version, enqueue_many.metas, enqueue_many.is_after_any) e;
    RETURN QUERY SELECT w.place::integer, w.id, coalesce(w.answer, 'created') = 'created', coalesce(w.answer, 'created')
        FROM unnest(v_ids, v_answers) WITH ORDINALITY AS w(id, answer, place) ORDER BY w.place;
END $$;

-- Enqueues one job and answers the id of the job that now stands for it; NULL: a full limit of its type rejected it.
CREATE OR REPLACE FUNCTION crmd.enqueue(
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
) RETURNS uuid LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_id uuid;
BEGIN
    SELECT CASE WHEN e.answers[1] IS DISTINCT FROM 'rejected' THEN e.ids[1] END INTO v_id FROM crmd.enqueue_batch(
        enqueue.type, ARRAY[enqueue.payload], enqueue.workspace_id, enqueue.user_id, enqueue.run_at, enqueue.priority,
        enqueue.queue, CASE WHEN enqueue.unique_key IS NOT NULL THEN ARRAY[enqueue.unique_key] END, enqueue.parent_id,
        enqueue.max_attempts, enqueue.meta, enqueue.unique_scope, enqueue.unique_seconds, enqueue.on_conflict,
        enqueue.max_delay_seconds, enqueue.delay_seconds, enqueue.expires_at, enqueue.expires_in_seconds,
        enqueue.after, enqueue.payload_version, is_after_any => enqueue.is_after_any) e;
    RETURN v_id;
END $$;

-- crmd.claim_lanes, with the columns packed that few handlers look at (crmd/store/claimed_row.py). That one stays for
-- daemons of the release before.
CREATE FUNCTION crmd.take_lanes(
    p_queue text,
    p_lanes text[],      -- whose turn it is, in order; a lane may have more than one
    p_asked integer[],   -- how many jobs each turn asks for
    p_slots integer,     -- how many in all
    p_claim uuid,
    p_daemon uuid,
    p_paused text[],     -- job types that rest
    p_local text[],      -- limits that count inside the daemon,
    p_free integer[]     -- and what is free of them
) RETURNS TABLE (
    turn integer, granted integer, id uuid, type text, fence bigint, payload jsonb, lane text, parent_id uuid,
    unique_key text, meta jsonb, cold bytea)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog SET plan_cache_mode = force_generic_plan
SET enable_bitmapscan = off SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    v_names text[] := crmd.limits_of(p_lanes);
    v_types text[] := '{}';
BEGIN
    IF v_names IS NOT NULL THEN
        PERFORM crmd.lock_limits(v_names);
        v_types := crmd.types_bound_by(v_names);
    END IF;
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT a.place::integer, a.lane, a.wanted
        FROM unnest(p_lanes, p_asked) WITH ORDINALITY AS a(lane, wanted, place)
    ), key AS MATERIALIZED (
        SELECT a.place, k.key, split_part(k.key, '/', 1) AS name
        FROM asked a CROSS JOIN LATERAL unnest(string_to_array(a.lane, ' ')) AS k(key)
    ), held AS MATERIALIZED (
        SELECT k.key, sum(s.running)::integer AS running
        FROM (SELECT l.lane, count(*) AS running FROM crmd.lease l
              WHERE l.type = ANY (v_types) AND l.lane IS NOT NULL GROUP BY l.lane) s
        CROSS JOIN LATERAL unnest(string_to_array(s.lane, ' ')) AS k(key)
        GROUP BY k.key
    ), bound AS MATERIALIZED (
        SELECT k.place, k.key,
            CASE WHEN g.key IS NOT NULL THEN 0
                 WHEN o.name IS NOT NULL THEN o.free
                 ELSE coalesce(te.max, tn.max, c.max) - coalesce(h.running, 0) END AS room,
            coalesce(h.running, 0) < c.floor AS is_below
        FROM key k
        LEFT JOIN crmd.gate g ON g.key = k.key AND g.closed_until > (SELECT crmd.clock())
        LEFT JOIN crmd.concurrency c ON c.name = k.name AND NOT c.is_local
        LEFT JOIN crmd.tuning te ON te.key = k.key AND te.max IS NOT NULL
        LEFT JOIN crmd.tuning tn ON tn.key = k.name AND tn.max IS NOT NULL
        LEFT JOIN unnest(p_local, p_free) AS o(name, free) ON o.name = k.name
        LEFT JOIN held h ON h.key = k.key
        WHERE coalesce(te.max, tn.max, c.max, o.free) IS NOT NULL OR g.key IS NOT NULL
    ), alone AS MATERIALIZED (
        SELECT a.place, a.lane, a.is_below, coalesce(a.room, 1) > 0 AS is_open, greatest(0, least(
            a.wanted, a.room + a.wanted - sum(a.wanted) OVER (PARTITION BY a.lane ORDER BY a.place))) AS wanted
        FROM (SELECT a.place, a.lane, a.wanted, min(b.room) AS room, coalesce(bool_or(b.is_below), false) AS is_below
              FROM asked a LEFT JOIN bound b ON b.place = a.place GROUP BY a.place, a.lane, a.wanted) a
    ), shared AS (
        SELECT b.place, min(b.room_left) AS room_left FROM (
            SELECT b.place, b.room + a.wanted
                - sum(a.wanted) OVER (PARTITION BY b.key ORDER BY a.is_below DESC, a.place) AS room_left
            FROM bound b JOIN alone a ON a.place = b.place WHERE a.wanted > 0) b
        GROUP BY b.place
    ), allowed AS (
        SELECT a.place, a.lane, a.is_below, a.is_open,
            greatest(least(a.wanted, s.room_left), 0) AS allowed
        FROM alone a LEFT JOIN shared s ON s.place = a.place
    ), turns AS MATERIALIZED (
        SELECT min(w.place) AS place, w.lane, bool_or(w.is_open) AS is_open, sum(w.room)::integer AS room FROM (
            SELECT w.place, w.lane, w.is_open, greatest(0, least(
                w.allowed, p_slots + w.allowed - sum(w.allowed) OVER (ORDER BY w.is_below DESC, w.place))) AS room
            FROM allowed w) w
        GROUP BY w.lane
    ), taken AS (
        DELETE FROM crmd.job WHERE id = ANY (ARRAY(
            SELECT p.id FROM turns t CROSS JOIN LATERAL (
                SELECT j.id FROM crmd.job j
                WHERE j.queue = p_queue AND j.lane = t.lane AND j.held IS NULL
                  AND j.rank_at <= (SELECT crmd.clock()) AND j.run_at <= (SELECT crmd.clock())
                  AND (j.expires_at IS NULL OR j.expires_at > (SELECT crmd.clock()))
                  AND j.type <> ALL (p_paused)
                  AND EXISTS (SELECT FROM crmd.daemon d WHERE d.id = p_daemon AND NOT d.is_dead)
                ORDER BY j.rank_at, j.id LIMIT t.room FOR UPDATE OF j SKIP LOCKED) p
            WHERE t.room > 0))
        RETURNING *
    ), kept AS (
        INSERT INTO crmd.lease AS e (id, claim_id, daemon_id, claimed_at, run_at, rank_at, created_at, fence, attempt,
            max_attempts, crash_count, snooze_count, type, queue, priority, payload, lane, workspace_id, user_id,
            parent_id, unique_key, started_at, checkpoint, progress, errors, meta)
        SELECT t.id, p_claim, p_daemon, n.clock, t.run_at, t.rank_at, t.created_at, t.fence + 1, t.attempt + 1,
            t.max_attempts, t.crash_count + 1, t.snooze_count, t.type, t.queue, t.priority, t.payload, t.lane,
            t.workspace_id, t.user_id, t.parent_id, t.unique_key, coalesce(t.started_at, n.clock), t.checkpoint,
            t.progress, t.errors, t.meta
        FROM taken t, (SELECT crmd.clock() AS clock) n
        RETURNING e.id, e.type, e.fence, e.payload, e.lane, e.parent_id, e.unique_key, e.meta,
            record_send(ROW(e.rank_at, e.id, e.claim_id, e.attempt, e.max_attempts, e.crash_count, e.snooze_count,
                e.priority, e.queue, e.workspace_id, e.user_id, e.run_at, e.created_at, e.checkpoint)) AS cold
    )
    SELECT t.place, CASE WHEN t.is_open THEN t.room ELSE -1 END, k.id, k.type, k.fence, k.payload, k.lane, k.parent_id,
        k.unique_key, k.meta, k.cold
    FROM turns t LEFT JOIN kept k ON k.lane = t.lane;
END $$;

REVOKE EXECUTE ON FUNCTION crmd.uuid7s, crmd.enqueue_batch, crmd.take_lanes FROM PUBLIC;
-- Who may enqueue may do so in this way, too.
CREATE OR REPLACE FUNCTION crmd.grant_enqueue(role_name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA crmd TO %I', role_name);
    EXECUTE format('GRANT EXECUTE ON FUNCTION crmd.enqueue, crmd.enqueue_many, crmd.enqueue_batch, crmd.batch, '
                   'crmd.batch_add, crmd.cancel, crmd.emit, crmd.emit_many TO %I', role_name);
END $$;
SELECT crmd.grant_enqueue(r.rolname)
FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a JOIN pg_roles r ON r.oid = a.grantee
WHERE p.oid = 'crmd.enqueue_many'::regproc AND a.grantee <> p.proowner;
