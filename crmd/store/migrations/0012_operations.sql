-- What operators do: dead letters by cause and their redrive, templates of jobs, logs kept with their job, and the
-- audit of every action. None of these tables is granted to plugins.

-- Every action of an operator: written before it is done, ended with how it went. Never changed after that.
CREATE TABLE crmd.audit (
    id           uuid PRIMARY KEY,
    at           timestamptz NOT NULL,
    actor        text NOT NULL,              -- who, and by what: "cli:ada@vm-1"
    action       text NOT NULL,              -- "jobs.cancel", "queues.pause", …
    target       text,                       -- id or name of what it was done to; NULL: a selection, see details
    workspace_id uuid,
    details      jsonb NOT NULL DEFAULT '{}',
    outcome      text,                       -- NULL: begun and not ended; 'done', or the sentence of the error
    ended_at     timestamptz
);

-- A dead or failed job that was set going again, and the job that it became. The archived row never changes; this is
-- what keeps it from being redriven twice.
CREATE TABLE crmd.redrive (
    job_id     uuid PRIMARY KEY,
    new_job_id uuid NOT NULL,
    at         timestamptz NOT NULL
);

CREATE TABLE crmd.template (
    workspace_id uuid,                       -- NULL: of the installation
    name         text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    job_type     text NOT NULL,
    payload      jsonb NOT NULL,
    priority     text,
    queue        text,
    description  text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (workspace_id, name)
);

-- What jobs logged, in the order of writing; each row is what one job said in about half a second.
CREATE TABLE crmd.job_log (
    job_id  uuid NOT NULL,
    id      bigint GENERATED ALWAYS AS IDENTITY,
    attempt smallint NOT NULL,
    bytes   integer NOT NULL,
    lines   jsonb NOT NULL,                  -- [{"at": "…", "level": "info", "text": "…"}]
    PRIMARY KEY (job_id, id)
);

-- Ids sort by time: whatever was made earlier than so many days ago lies before this one.
CREATE FUNCTION crmd.oldest_id(days integer) RETURNS uuid LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT (lpad(to_hex((extract(epoch FROM crmd.clock() - make_interval(days => oldest_id.days)) * 1000)::bigint), 12, '0')
        || '70008000000000000000')::uuid
$$;

-- An error's sentence without what differs from job to job: ids, numbers, quoted names.
CREATE FUNCTION crmd.cause_of(message text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT regexp_replace(regexp_replace(regexp_replace(regexp_replace(left(split_part(message, E'\n', 1), 300),
        '[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}', '…', 'g'),
        '''[^'']{1,200}''|"[^"]{1,200}"', '…', 'g'),
        '[^\s@]{1,64}@[^\s@]{1,200}', '…', 'g'),
        '\d+([.:]\d+)*', '#', 'g')
$$;

-- What dead letters of one cause have in common: job type, class of the newest error, and the gist of its sentence.
CREATE FUNCTION crmd.fingerprint(type text, errors jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT left(md5(concat_ws(E'\x1f', fingerprint.type, fingerprint.errors -> -1 ->> 'class',
                              crmd.cause_of(fingerprint.errors -> -1 ->> 'message'))), 12)
$$;

-- Runs an ended job again as a new one that names the old one, with another payload if one is given. It is what the old
-- one was: its key is its key, with what is left of the time that it holds; an old payload never replaces a newer one.
-- What the old one was to others it is not: nobody's child, callback or predecessor.
CREATE FUNCTION crmd.enqueue_again(a crmd.archive, payload jsonb, run_at timestamptz, meta jsonb)
RETURNS TABLE (id uuid, is_new boolean, answer text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    c_not_inherited CONSTANT text[] := '{isAwaited,isPayloadGone,isBatch,batchId,fromStep}';
    t crmd.job_type := crmd.job_type_called(a.type);
    k crmd.unique_key;
    v_key text := substr(a.unique_key, length(concat(a.type, '/', a.workspace_id, '/')) + 1);
BEGIN
    DELETE FROM crmd.unique_key u WHERE u.key = a.unique_key AND u.job_id = a.id RETURNING u.* INTO k;
    -- What was made of the payload is made of it again.
    IF t.unique_scope IS NOT NULL AND (a.meta ? 'isPayloadGone'
        OR a.unique_key = crmd.unique_key_of(a.type, a.workspace_id, NULL, t.unique_fields, a.payload)) THEN
        v_key := NULL;
    END IF;
    RETURN QUERY SELECT e.id, e.is_new, e.answer FROM crmd.enqueue_many(
        a.type, ARRAY[coalesce(enqueue_again.payload, a.payload)], a.workspace_id, a.user_id, enqueue_again.run_at,
        a.priority, a.queue, CASE WHEN v_key IS NOT NULL THEN ARRAY[v_key] END, max_attempts => a.max_attempts::integer,
        meta => coalesce(a.meta, '{}') - c_not_inherited || jsonb_build_object('retriedFrom', a.id) || enqueue_again.meta,
        unique_scope => CASE WHEN k.expires_at > crmd.clock() THEN k.scope END,
        unique_seconds => CASE WHEN k.expires_at > crmd.clock() AND isfinite(k.expires_at)
            THEN extract(epoch FROM k.expires_at - crmd.clock())::double precision END,
        on_conflict => 'return', payload_version => CASE WHEN enqueue_again.payload IS NULL
            THEN coalesce((a.meta ->> 'payloadVersion')::integer, 1) END) e;
END $$;

-- Sets ended jobs going again, see crmd.enqueue_again; `per_second` of them due each second, NULL: all at once. Answers a
-- row per job that this call redrove. Left out is what was redriven before or is not in the archive, whose payload is
-- gone or is no longer to be stored in the clear, whose type nobody declares any more, and what a full limit rejects.
CREATE FUNCTION crmd.redrive_many(job_ids uuid[], payloads jsonb[], first_place bigint, per_second double precision)
RETURNS TABLE (job_id uuid, new_job_id uuid)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := crmd.clock();
    v_place bigint := first_place;
    v_again record;
    d record;
BEGIN
    FOR d IN
        SELECT r AS job, r.id, w.payload FROM unnest(redrive_many.job_ids, redrive_many.payloads) AS w(id, payload)
        JOIN crmd.archive r ON r.id = w.id
        CROSS JOIN LATERAL crmd.job_type_called(r.type) AS t
        CROSS JOIN LATERAL (SELECT coalesce(w.payload, r.payload) AS payload) p
        WHERE (w.payload IS NOT NULL OR NOT coalesce(r.meta ? 'isPayloadGone', false)) AND t.name IS NOT NULL
          AND NOT (t.is_payload_sealed AND p.payload <> '{}' AND NOT p.payload ? '$sealed')
        ORDER BY r.id
    LOOP
        -- The row is the claim to redrive: whoever comes second finds it.
        INSERT INTO crmd.redrive AS r (job_id, new_job_id, at) VALUES (d.id, d.id, v_now) ON CONFLICT DO NOTHING;
        CONTINUE WHEN NOT FOUND;
        SELECT * INTO v_again FROM crmd.enqueue_again(d.job, d.payload,
            CASE WHEN per_second IS NULL THEN NULL ELSE v_now + make_interval(secs => v_place / per_second) END, '{}');
        IF v_again.answer = 'rejected' THEN
            DELETE FROM crmd.redrive r WHERE r.job_id = d.id;
            CONTINUE;
        END IF;
        UPDATE crmd.redrive r SET new_job_id = v_again.id WHERE r.job_id = d.id;
        v_place := v_place + 1;
        job_id := d.id;
        new_job_id := v_again.id;
        RETURN NEXT;
    END LOOP;
END $$;

REVOKE EXECUTE ON FUNCTION crmd.oldest_id, crmd.cause_of, crmd.fingerprint, crmd.enqueue_again, crmd.redrive_many FROM PUBLIC;
