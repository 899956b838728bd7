-- The REST API: keys, answers that are kept for repeated requests, and what a caller of one workspace may see.

-- The role that requests of a workspace read as. Without it (nobody here may create roles) every statement's own
-- condition on the workspace is all that holds them.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'crmd_api') THEN
        CREATE ROLE crmd_api NOLOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
       AND NOT pg_has_role(current_user, 'crmd_api', 'MEMBER') THEN
        EXECUTE format('GRANT crmd_api TO %I', current_user);
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
END $$;

-- Keys of the API. Only the hash of the secret is kept; two keys of a client may be alive at a time, to rotate them.
CREATE TABLE crmd.api_key (
    id           text PRIMARY KEY CHECK (id ~ '^[a-z0-9]{12}$'),
    client       text NOT NULL CHECK (length(client) BETWEEN 1 AND 100),
    secret_hash  bytea NOT NULL,             -- SHA-256
    scopes       text[] NOT NULL CHECK (scopes <@ ARRAY['read', 'enqueue', 'manage', 'admin']),
    workspace_id uuid,                       -- NULL: all workspaces, and what belongs to none
    job_types    text[],                     -- that it may enqueue; NULL: all
    created_at   timestamptz NOT NULL DEFAULT crmd.clock(),
    created_by   text NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX api_key_client ON crmd.api_key (client) WHERE revoked_at IS NULL;

-- What was answered to a request that named an Idempotency-Key: the same again gets the same answer.
CREATE TABLE crmd.api_answer (
    workspace_id uuid NOT NULL,
    key          text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    fingerprint  bytea NOT NULL,             -- of method, address and body
    status       smallint NOT NULL,
    body         jsonb NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT crmd.clock(),
    PRIMARY KEY (workspace_id, key)
);
CREATE INDEX api_answer_created ON crmd.api_answer (created_at);

-- Which jobs callers of a workspace have made, to hold them to its limits.
CREATE TABLE crmd.api_job (
    job_id       uuid PRIMARY KEY,
    workspace_id uuid NOT NULL,
    user_id      uuid,
    created_at   timestamptz NOT NULL DEFAULT crmd.clock()
);
CREATE INDEX api_job_workspace ON crmd.api_job (workspace_id, created_at);
CREATE INDEX api_job_user ON crmd.api_job (user_id, created_at) WHERE user_id IS NOT NULL;

-- How a plugin did when `crmd plugin check --record` ran it here. It counts for what was run, and no other version.
CREATE TABLE crmd.plugin_grade (
    plugin       text PRIMARY KEY CHECK (length(plugin) BETWEEN 1 AND 200),
    distribution text NOT NULL,              -- name and version of what was run
    grade        text NOT NULL CHECK (grade IN ('none', 'bronze', 'silver', 'gold', 'platinum')),
    checked_at   timestamptz NOT NULL
);

-- Lists by workspace, newest first; see crmd.list_jobs. Jobs of no workspace pay nothing for it. Each index of the archive
-- leads to the entries of one status, type or user in the order of a list, and says in which partition they are, so
-- that a rare status of a large workspace is found as fast as its newest jobs. Deliveries of webhooks are crmd's own
-- work, and stand with the webhook: however many there are, they are not among a workspace's jobs unless asked for.
CREATE INDEX job_workspace ON crmd.job (workspace_id, id) WHERE workspace_id IS NOT NULL AND type <> 'deliver-webhook';
CREATE INDEX job_delivery ON crmd.job (workspace_id, id) WHERE type = 'deliver-webhook';
CREATE INDEX lease_workspace ON crmd.lease (workspace_id, id) WHERE workspace_id IS NOT NULL;
CREATE INDEX archive_workspace ON crmd.archive (workspace_id, status, id) INCLUDE (finished_at)
    WHERE workspace_id IS NOT NULL AND type <> 'deliver-webhook';
CREATE INDEX archive_type ON crmd.archive (workspace_id, type, status, id) INCLUDE (finished_at)
    WHERE workspace_id IS NOT NULL;
CREATE INDEX archive_user ON crmd.archive (workspace_id, user_id, id) INCLUDE (finished_at, status, type)
    WHERE workspace_id IS NOT NULL AND user_id IS NOT NULL;
-- Children in the order of a list; it takes the place of the one without that order.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX crmd.archive_parent;
CREATE INDEX archive_parent ON crmd.archive (parent_id, id) WHERE parent_id IS NOT NULL;
-- What was done in a workspace, newest first.
CREATE INDEX audit_workspace ON crmd.audit (workspace_id, id) WHERE workspace_id IS NOT NULL;

-- The daemons own these tables and are not held by policies; whoever reads as crmd_api is.
ALTER TABLE crmd.job ENABLE ROW LEVEL SECURITY;
ALTER TABLE crmd.lease ENABLE ROW LEVEL SECURITY;
ALTER TABLE crmd.archive ENABLE ROW LEVEL SECURITY;
ALTER TABLE crmd.api_answer ENABLE ROW LEVEL SECURITY;
ALTER TABLE crmd.api_job ENABLE ROW LEVEL SECURITY;
ALTER TABLE crmd.schedule ENABLE ROW LEVEL SECURITY;
ALTER TABLE crmd.template ENABLE ROW LEVEL SECURITY;
ALTER TABLE crmd.audit ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON crmd.job FOR SELECT USING (workspace_id = (SELECT crmd.workspace_id()));
CREATE POLICY own_workspace ON crmd.lease FOR SELECT USING (workspace_id = (SELECT crmd.workspace_id()));
CREATE POLICY own_workspace ON crmd.archive FOR SELECT USING (workspace_id = (SELECT crmd.workspace_id()));
CREATE POLICY own_workspace ON crmd.schedule FOR SELECT USING (workspace_id = (SELECT crmd.workspace_id()));
CREATE POLICY own_workspace ON crmd.audit FOR SELECT USING (workspace_id = (SELECT crmd.workspace_id()));
-- The installation's templates are there for every workspace.
CREATE POLICY own_workspace ON crmd.template FOR SELECT
    USING (workspace_id IS NULL OR workspace_id = (SELECT crmd.workspace_id()));
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'crmd_api') THEN
        GRANT USAGE ON SCHEMA crmd TO crmd_api;
        GRANT EXECUTE ON FUNCTION crmd.clock, crmd.workspace_id, crmd.event_patterns, crmd.fingerprint, crmd.cause_of
            TO crmd_api;
        GRANT SELECT ON crmd.job, crmd.lease, crmd.archive, crmd.jobs, crmd.background_jobs, crmd.family, crmd.event,
            crmd.connection, crmd.connections, crmd.schedule, crmd.tick, crmd.template, crmd.audit TO crmd_api;
    END IF;
END $$;
