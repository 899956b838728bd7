-- Entries by name.
CREATE SCHEMA ledger;

CREATE TABLE ledger.entry (
    workspace_id uuid NOT NULL,
    id           bigint GENERATED ALWAYS AS IDENTITY,
    name         text NOT NULL,
    amount       integer NOT NULL,
    PRIMARY KEY (workspace_id, id)
);
CREATE UNIQUE INDEX entry_once ON ledger.entry (workspace_id, name) WHERE name LIKE 'once %';

ALTER TABLE ledger.entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger.entry FORCE ROW LEVEL SECURITY;
CREATE POLICY entry_workspace ON ledger.entry
    USING (workspace_id = crmd.workspace_id()) WITH CHECK (workspace_id = crmd.workspace_id());

SELECT crmd.grant_app('ledger');
