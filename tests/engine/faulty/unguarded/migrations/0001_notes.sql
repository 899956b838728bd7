-- Notes without row-level security.
CREATE SCHEMA unguarded;
CREATE TABLE unguarded.note (workspace_id uuid NOT NULL, name text NOT NULL, PRIMARY KEY (workspace_id, name));
SELECT crmd.grant_app('unguarded');
