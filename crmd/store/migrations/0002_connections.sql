-- Accounts at providers: what a connection is, its secrets, and how far its sync has come.
--
-- Who may see what. A setting such as crmd.workspace_id is no boundary, since any statement can set it; the boundary
-- is the role. Statements of plugins run as crmd_app, which sees its workspace's connections and cursors through
-- row-level security, may write nothing but freshness and cursors, and has no right at all on the secrets. The
-- owner of these tables is the engine, which works for every workspace.

CREATE TABLE crmd.connection (
    id              uuid PRIMARY KEY DEFAULT crmd.uuid7(),
    workspace_id    uuid NOT NULL,
    user_id         uuid,
    provider        text NOT NULL,
    account         text NOT NULL,               -- the provider's name of the account, mostly an address
    -- Being throttled ends by itself, so it is a time and not a state; crmd.connections shows it as one.
    state           text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'needs_reauth', 'disabled')),
    throttled_until timestamptz,
    scopes          text[] NOT NULL DEFAULT '{}',
    endpoints       jsonb NOT NULL DEFAULT '{}', -- provider URLs that differ for this connection
    client_id       text,                        -- NULL: the client of the provider's settings
    last_error      text,
    last_synced_at  timestamptz,
    synced_items    bigint NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT crmd.clock(),
    updated_at      timestamptz NOT NULL DEFAULT crmd.clock(),
    UNIQUE (workspace_id, provider, account),
    UNIQUE (workspace_id, id)
) WITH (fillfactor = 80);

-- Sealed by crmd.connections.vault: the ciphertext is bound to this table, row and workspace.
CREATE TABLE crmd.connection_secret (
    workspace_id  uuid NOT NULL,
    connection_id uuid NOT NULL,
    name          text NOT NULL CHECK (name IN ('refresh_token', 'access_token', 'client_secret')),
    ciphertext    text NOT NULL CHECK (length(ciphertext) <= 65536),
    expires_at    timestamptz,                   -- NULL: no end that is known
    updated_at    timestamptz NOT NULL DEFAULT crmd.clock(),
    PRIMARY KEY (workspace_id, connection_id, name),
    FOREIGN KEY (workspace_id, connection_id) REFERENCES crmd.connection (workspace_id, id) ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE INDEX connection_secret_row ON crmd.connection_secret (connection_id, name);

-- Written compare-and-set inside the transaction that holds what the cursor has passed; job_id and fence say which
-- claim moved it last.
CREATE TABLE crmd.cursor (
    workspace_id  uuid NOT NULL,
    connection_id uuid NOT NULL,
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    value         jsonb NOT NULL,
    job_id        uuid,
    fence         bigint,
    updated_at    timestamptz NOT NULL DEFAULT crmd.clock(),
    PRIMARY KEY (workspace_id, connection_id, name),
    FOREIGN KEY (workspace_id, connection_id) REFERENCES crmd.connection (workspace_id, id) ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE INDEX cursor_row ON crmd.cursor (connection_id, name);

-- Connections with the state that holds at this moment.
CREATE VIEW crmd.connections WITH (security_invoker = true) AS
SELECT
    c.id,
    c.workspace_id,
    c.user_id,
    c.provider,
    c.account,
    CASE WHEN c.state = 'active' AND c.throttled_until > (SELECT crmd.clock()) THEN 'throttled' ELSE c.state END
        AS state,
    c.throttled_until,
    c.scopes,
    c.endpoints,
    c.client_id,
    c.last_error,
    c.last_synced_at,
    c.synced_items,
    c.created_at,
    c.updated_at
FROM crmd.connection AS c;

ALTER TABLE crmd.connection ENABLE ROW LEVEL SECURITY;
ALTER TABLE crmd.connection FORCE ROW LEVEL SECURITY;
ALTER TABLE crmd.connection_secret ENABLE ROW LEVEL SECURITY;
ALTER TABLE crmd.connection_secret FORCE ROW LEVEL SECURITY;
ALTER TABLE crmd.cursor ENABLE ROW LEVEL SECURITY;
ALTER TABLE crmd.cursor FORCE ROW LEVEL SECURITY;

CREATE POLICY connection_workspace ON crmd.connection
    USING (workspace_id = crmd.workspace_id()) WITH CHECK (workspace_id = crmd.workspace_id());
CREATE POLICY connection_engine ON crmd.connection TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY connection_secret_engine ON crmd.connection_secret TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY cursor_workspace ON crmd.cursor
    USING (workspace_id = crmd.workspace_id()) WITH CHECK (workspace_id = crmd.workspace_id());
CREATE POLICY cursor_engine ON crmd.cursor TO CURRENT_USER USING (true) WITH CHECK (true);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'crmd_app') THEN
        GRANT USAGE ON SCHEMA crmd TO crmd_app;
        GRANT SELECT ON crmd.connection, crmd.connections TO crmd_app;
        GRANT UPDATE (last_error, last_synced_at, synced_items, updated_at) ON crmd.connection TO crmd_app;
        GRANT SELECT, INSERT, UPDATE, DELETE ON crmd.cursor TO crmd_app;
    END IF;
END $$;
