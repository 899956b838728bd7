-- Notes whose policy lets everybody through.
CREATE SCHEMA trespasses;

CREATE TABLE trespasses.note (
    workspace_id uuid NOT NULL,
    name         text NOT NULL,
    is_read      boolean NOT NULL DEFAULT false,
    PRIMARY KEY (workspace_id, name)
);

ALTER TABLE trespasses.note ENABLE ROW LEVEL SECURITY;
ALTER TABLE trespasses.note FORCE ROW LEVEL SECURITY;
CREATE POLICY note_workspace ON trespasses.note USING (true) WITH CHECK (true);

SELECT crmd.grant_app('trespasses');
