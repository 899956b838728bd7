-- The heart of crmd: three tables for the three stages of a job, and what decides when a job may run.
--
--   crmd.job      jobs that wait       (pending, scheduled, held)
--   crmd.lease    jobs that run        (a claim moves the row here, with its token)
--   crmd.archive  jobs that are over   (completed, failed, cancelled, dead; one partition a day)

-- The only clock that decides. Tests replace this function; nothing else may ask for the time.
-- Statements write (SELECT crmd.clock()) so that the planner evaluates it once and can use it with an index.
CREATE FUNCTION crmd.clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$ SELECT clock_timestamp() $$;

-- Ids sort by time of creation (RFC 9562, version 7), so that listing by id is listing by age.
CREATE FUNCTION crmd.uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                FROM 1 FOR 6),
            52, 1), 53, 1), 'hex')::uuid
$$;
DO $$
BEGIN
    IF current_setting('server_version_num')::int >= 180000 THEN
        CREATE OR REPLACE FUNCTION crmd.uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE
        AS 'SELECT uuidv7()';
    END IF;
END $$;

-- The workspace that the current transaction works for; NULL outside one, so that row-level security shows nothing.
CREATE FUNCTION crmd.workspace_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT nullif(current_setting('crmd.workspace_id', true), '')::uuid $$;

-- The role that statements of plugins run as. A superuser ignores row-level security, so one must exist for it;
-- any other owner is held by FORCE ROW LEVEL SECURITY and can do without.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'crmd_app') THEN
        CREATE ROLE crmd_app NOLOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
       AND NOT pg_has_role(current_user, 'crmd_app', 'MEMBER') THEN
        EXECUTE format('GRANT crmd_app TO %I', current_user);
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
END $$;

-- Gives a plugin's schema to the role that its statements run as. Called at the end of a plugin's migration.
CREATE FUNCTION crmd.grant_app(schema_name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'crmd_app') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO crmd_app', schema_name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO crmd_app', schema_name);
        EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA %I TO crmd_app', schema_name);
        EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %I TO crmd_app', schema_name);
    END IF;
END $$;

-- What the plugins declare, so that SQL can enqueue with the same defaults as Python.
CREATE TABLE crmd.job_type (
    name              text PRIMARY KEY,
    plugin            text NOT NULL,
    aliases           text[] NOT NULL DEFAULT '{}',
    queue             text NOT NULL,
    priority          text NOT NULL DEFAULT 'normal',
    max_attempts      smallint NOT NULL DEFAULT 3 CHECK (max_attempts BETWEEN 1 AND 1000),
    -- [{"name": "type:x:workspace", "per": "workspace"}, {"name": "type:x"}]: see crmd.lane_of.
    keys              jsonb NOT NULL DEFAULT '[]',
    unique_scope      text CHECK (unique_scope IN ('waiting', 'unfinished', 'for')),
    unique_seconds    double precision,
    unique_fields     text[],
    payload_schema    jsonb NOT NULL DEFAULT '{}',
    description       text NOT NULL DEFAULT '',
    updated_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- How many leases may hold one key at a time, over all daemons (or inside one, where is_local).
CREATE TABLE crmd.concurrency (
    name       text PRIMARY KEY,
    max        integer NOT NULL CHECK (max >= 0),
    is_local   boolean NOT NULL DEFAULT false
);

-- A closed gate keeps every job waiting that names its key; 'infinity' means until somebody opens it.
CREATE TABLE crmd.gate (
    key          text PRIMARY KEY,
    closed_until timestamptz NOT NULL,
    reason       text NOT NULL,
    closed_at    timestamptz NOT NULL
);

-- A token bucket (generic cell rate algorithm): tat is the theoretical arrival time of the next token.
CREATE TABLE crmd.bucket (
    name text PRIMARY KEY,
    tat  timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Priority is a head start on the queue's one sort key, never a wall: low work is overtaken only by work that
-- comes less than this much later.
CREATE FUNCTION crmd.head_start(priority text) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE priority
        WHEN 'critical' THEN interval '15 minutes'
        WHEN 'high' THEN interval '5 minutes'
        WHEN 'normal' THEN interval '1 minute'
        WHEN 'low' THEN interval '0'
    END
$$;

CREATE TABLE crmd.job (
    id           uuid PRIMARY KEY,
    run_at       timestamptz NOT NULL,
    rank_at      timestamptz NOT NULL,       -- run_at less the head start of its priority: the queue's order
    created_at   timestamptz NOT NULL,
    fence        bigint NOT NULL DEFAULT 0,  -- only grows: one more with every claim
    attempt      smallint NOT NULL DEFAULT 0,
    max_attempts smallint NOT NULL,
    crash_count  smallint NOT NULL DEFAULT 0,
    snooze_count integer NOT NULL DEFAULT 0,
    type         text NOT NULL,
    queue        text NOT NULL,
    priority     text NOT NULL,
    payload      jsonb NOT NULL,
    lane         text,                       -- the keys it must pass, see crmd.lane_of; NULL: none
    held         text CHECK (held IN ('children')),
    workspace_id uuid,                       -- NULL: work of the installation itself
    user_id      uuid,
    parent_id    uuid,
    unique_key   text,
    started_at   timestamptz,                -- first start
    checkpoint   jsonb,
    progress     jsonb,
    errors       jsonb,
    result       jsonb,
    meta         jsonb
) WITH (
    fillfactor = 90,
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX job_ready ON crmd.job (queue, rank_at, id) WHERE lane IS NULL AND held IS NULL;
CREATE INDEX job_lane ON crmd.job (queue, lane, rank_at, id) WHERE lane IS NOT NULL AND held IS NULL;
CREATE INDEX job_parent ON crmd.job (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE crmd.lease (
    id           uuid PRIMARY KEY,
    claim_id     uuid NOT NULL,              -- random, made by the daemon before it claims; with fence: the token
    daemon_id    uuid NOT NULL,
    claimed_at   timestamptz NOT NULL,
    cancel_requested_at timestamptz,
    cancel_reason text,
    run_at       timestamptz NOT NULL,
    rank_at      timestamptz NOT NULL,
    created_at   timestamptz NOT NULL,
    fence        bigint NOT NULL,
    attempt      smallint NOT NULL,
    max_attempts smallint NOT NULL,
    crash_count  smallint NOT NULL,          -- counts this claim until it ends in order
    snooze_count integer NOT NULL,
    type         text NOT NULL,
    queue        text NOT NULL,
    priority     text NOT NULL,
    payload      jsonb NOT NULL,
    lane         text,
    workspace_id uuid,
    user_id      uuid,
    parent_id    uuid,
    unique_key   text,
    started_at   timestamptz NOT NULL,
    checkpoint   jsonb,
    progress     jsonb,
    errors       jsonb,
    meta         jsonb
) WITH (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX lease_lane ON crmd.lease (lane) WHERE lane IS NOT NULL;

CREATE TABLE crmd.archive (
    id           uuid NOT NULL,
    finished_at  timestamptz NOT NULL,
    run_at       timestamptz NOT NULL,
    created_at   timestamptz NOT NULL,
    started_at   timestamptz,
    fence        bigint NOT NULL,
    attempt      smallint NOT NULL,
    max_attempts smallint NOT NULL,
    crash_count  smallint NOT NULL,
    snooze_count integer NOT NULL,
    status       text NOT NULL CHECK (status IN ('completed', 'failed', 'cancelled', 'dead')),
    type         text NOT NULL,
    queue        text NOT NULL,
    priority     text NOT NULL,
    payload      jsonb NOT NULL,
    lane         text,
    workspace_id uuid,
    user_id      uuid,
    parent_id    uuid,
    unique_key   text,
    claim_id     uuid,                       -- the claim that ended it; NULL when it ended without one
    checkpoint   jsonb,
    progress     jsonb,
    errors       jsonb,
    result       jsonb,
    meta         jsonb,
    PRIMARY KEY (id, finished_at)
) PARTITION BY RANGE (finished_at);
CREATE INDEX archive_trouble ON crmd.archive (status, finished_at) WHERE status IN ('dead', 'failed');
CREATE INDEX archive_parent ON crmd.archive (parent_id) WHERE parent_id IS NOT NULL;
-- Settling must never fail for want of a partition: what no day's partition takes goes here.
CREATE TABLE crmd.archive_default PARTITION OF crmd.archive DEFAULT;

-- A key that is taken: at most one job per key, for as long as its scope says.
CREATE TABLE crmd.unique_key (
    key        text PRIMARY KEY,
    job_id     uuid NOT NULL,
    scope      text NOT NULL,
    expires_at timestamptz NOT NULL          -- 'infinity': until the job starts (waiting) or ends (unfinished)
) WITH (fillfactor = 80);

-- A parent's children, counted. The row is the lock that decides who ends the parent.
CREATE TABLE crmd.family (
    parent_id uuid PRIMARY KEY,
    total     integer NOT NULL DEFAULT 0,
    pending   integer NOT NULL DEFAULT 0,
    completed integer NOT NULL DEFAULT 0,
    failed    integer NOT NULL DEFAULT 0,
    cancelled integer NOT NULL DEFAULT 0,
    dead      integer NOT NULL DEFAULT 0,
    sums      jsonb NOT NULL DEFAULT '{}',   -- the numbers in the children's results, added up by name
    cancel_reason text                       -- the parent waits, and is to end as cancelled
) WITH (fillfactor = 50);

-- What became of each item of a job that works through items.
CREATE TABLE crmd.item (
    job_id     uuid NOT NULL,
    item       text NOT NULL,
    outcome    text NOT NULL CHECK (outcome IN ('succeeded', 'blocked', 'failed')),
    reason     text,
    settled_at timestamptz NOT NULL,
    PRIMARY KEY (job_id, item)
);

-- One row per daemon process; its leases live as long as this row is renewed.
CREATE TABLE crmd.daemon (
    id          uuid PRIMARY KEY,            -- random per start, never a host name
    host        text NOT NULL,
    pid         integer NOT NULL,
    version     text NOT NULL,
    queues      text[] NOT NULL,
    started_at  timestamptz NOT NULL,
    beat_at     timestamptz NOT NULL,
    lease_until timestamptz NOT NULL,
    is_dead     boolean NOT NULL DEFAULT false,  -- set by whoever reaped it; never taken back
    idle_queues text[] NOT NULL DEFAULT '{}',    -- wait for a wake-up: whoever enqueues to one should notify
    stopping_at timestamptz
) WITH (fillfactor = 50);

CREATE TABLE crmd.schedule (
    id             text PRIMARY KEY,         -- stable; never derived from the expression
    job_type       text NOT NULL,
    expression     text NOT NULL,            -- five cron fields, or "every 90s"
    timezone       text NOT NULL DEFAULT 'UTC',
    payload        jsonb NOT NULL DEFAULT '{}',
    workspace_id   uuid,
    user_id        uuid,
    origin         text NOT NULL CHECK (origin IN ('plugin', 'runtime')),
    catch_up       text NOT NULL DEFAULT 'last' CHECK (catch_up IN ('skip', 'last', 'all')),
    catch_up_max   integer NOT NULL DEFAULT 100,
    overlap        text NOT NULL DEFAULT 'skip' CHECK (overlap IN ('skip', 'queue_one', 'allow')),
    spread_seconds integer NOT NULL DEFAULT 0,
    is_paused      boolean NOT NULL DEFAULT false,
    last_due_at    timestamptz,              -- the newest slot that was handled; never evaluated again
    next_due_at    timestamptz NOT NULL,
    error          text,                     -- why it cannot be evaluated, when it cannot
    updated_at     timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX schedule_due ON crmd.schedule (next_due_at) WHERE NOT is_paused AND error IS NULL;

-- The proof that a schedule fired: one row per slot, written with its job in one transaction.
CREATE TABLE crmd.tick (
    schedule_id text NOT NULL,
    due_at      timestamptz NOT NULL,
    fired_at    timestamptz NOT NULL,
    job_id      uuid,                        -- NULL: the slot was skipped, reason says why
    reason      text,
    PRIMARY KEY (schedule_id, due_at)
) PARTITION BY RANGE (due_at);
CREATE TABLE crmd.tick_default PARTITION OF crmd.tick DEFAULT;

CREATE TABLE crmd.event (
    id             uuid NOT NULL,
    emitted_at     timestamptz NOT NULL,
    type           text NOT NULL,
    version        smallint NOT NULL DEFAULT 1,
    workspace_id   uuid,
    user_id        uuid,
    aggregate_type text,
    aggregate_id   text,
    data           jsonb NOT NULL,
    metadata       jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (id, emitted_at)
) PARTITION BY RANGE (emitted_at);
CREATE TABLE crmd.event_default PARTITION OF crmd.event DEFAULT;

-- An event type that starts jobs. The job's payload is the named fields of the event's data.
CREATE TABLE crmd.trigger (
    event_type    text NOT NULL,
    job_type      text NOT NULL,
    fields        text[] NOT NULL,
    delay_seconds double precision NOT NULL DEFAULT 0,
    PRIMARY KEY (event_type, job_type)
);
