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

-- Sets ended jobs going again as new ones that name the old, `per_second` of them due each second (NULL: all at once).
-- A payload that is given replaces the old one. Answers a row per job that this call redrove; a job that was redriven
-- before, or is not in the archive, is left out.
CREATE FUNCTION crmd.redrive_many(job_ids uuid[], payloads jsonb[], first_place bigint, per_second double precision)
RETURNS TABLE (job_id uuid, new_job_id uuid)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := crmd.clock();
    v_place bigint := first_place;
    v_new uuid;
    a record;
BEGIN
    FOR a IN
        SELECT r.*, coalesce(w.payload, r.payload) AS wanted,
               CASE WHEN w.payload IS NULL THEN coalesce((r.meta ->> 'payloadVersion')::integer, 1) END AS version
        FROM unnest(redrive_many.job_ids, redrive_many.payloads) AS w(id, payload)
        JOIN crmd.archive r ON r.id = w.id
        WHERE w.payload IS NOT NULL OR NOT coalesce(r.meta ? 'isPayloadGone', false) -- retention has let it go
        ORDER BY r.id
    LOOP
        -- The row is the claim to redrive: whoever comes second finds it.
        INSERT INTO crmd.redrive AS r (job_id, new_job_id, at) VALUES (a.id, a.id, v_now) ON CONFLICT DO NOTHING;
        CONTINUE WHEN NOT FOUND;
        SELECT e.id INTO v_new FROM crmd.enqueue_many(
            a.type, ARRAY[a.wanted], a.workspace_id, a.user_id,
            CASE WHEN per_second IS NULL THEN NULL ELSE v_now + make_interval(secs => v_place / per_second) END,
            a.priority, a.queue, max_attempts => a.max_attempts::integer,
            meta => coalesce(a.meta, '{}') - '{isAwaited,isPayloadGone}'::text[] || jsonb_build_object('retriedFrom', a.id),
            on_conflict => 'return', payload_version => a.version) e; -- an old payload never replaces a newer one
        UPDATE crmd.redrive r SET new_job_id = v_new WHERE r.job_id = a.id;
        v_place := v_place + 1;
        job_id := a.id;
        new_job_id := v_new;
        RETURN NEXT;
    END LOOP;
END $$;

REVOKE EXECUTE ON FUNCTION crmd.cause_of, crmd.fingerprint, crmd.redrive_many FROM PUBLIC;
