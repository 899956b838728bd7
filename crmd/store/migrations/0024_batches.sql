-- Batches that cost less: of payloads that come as one text nothing is kept in arrays, and what is the same for all jobs
-- is looked up once.

-- Keys of these indexes end in the id, so that no two of their entries are alike, and looking for such is in vain.
ALTER INDEX crmd.job_ready SET (deduplicate_items = off);
ALTER INDEX crmd.job_lane SET (deduplicate_items = off);
ALTER INDEX crmd.job_workspace SET (deduplicate_items = off);
ALTER INDEX crmd.lease_workspace SET (deduplicate_items = off);

-- As before; payloads may come as one text as well. Every call of the old function is one of the new, which is there with
-- the same commit: two that differ in what may be left out could not be told apart.
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
    joined text DEFAULT NULL,         -- the same with U+001E between them; of jobs without keys answers the first id only
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
    v_texts text[] := coalesce(enqueue_batch.texts, string_to_array(enqueue_batch.joined, U&'\001E'));
    v_new integer := coalesce(cardinality(v_texts), cardinality(enqueue_batch.payloads));
    v_is_plain boolean;
    v_id text;
    v_head text;
    v_count bigint;
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
        ELSIF v_texts IS NOT NULL THEN -- as crmd.uuid7s, but each id is made on its way into the table
            v_id := crmd.uuid7();
            v_head := left(v_id, 28);
            v_count := 268435455 + (('x' || right(v_id, 8))::bit(32)::bigint & 1073741823);
            INSERT INTO crmd.job (id, run_at, rank_at, created_at, max_attempts, type, queue, priority, payload, lane,
                                  workspace_id, user_id, parent_id, meta, expires_at)
            SELECT (v_head || to_hex(v_count + p.place))::uuid, c.run_at, c.rank_at, c.created_at, c.max_attempts, c.type,
                   c.queue, c.priority, p.payload::jsonb,
                   CASE WHEN v_varies THEN crmd.lane_of(t.keys, c.workspace_id, c.user_id, p.payload::jsonb) ELSE c.lane END,
                   c.workspace_id, c.user_id, c.parent_id, c.meta, c.expires_at
            FROM (SELECT j.run_at, j.rank_at, j.created_at, j.max_attempts, j.type, j.queue, j.priority, j.lane,
                         j.workspace_id, j.user_id, j.parent_id, j.meta, j.expires_at
                  OFFSET 0) c -- what is the same for all is taken out of the record once
            CROSS JOIN unnest(v_texts) WITH ORDINALITY AS p(payload, place);
            ids := ARRAY(SELECT (v_head || to_hex(v_count + n))::uuid
                         FROM generate_series(1, CASE WHEN enqueue_batch.joined IS NULL THEN v_new
                                                      ELSE least(v_new, 1) END) n);
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
