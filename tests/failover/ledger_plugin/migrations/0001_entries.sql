-- What jobs have written inside PostgreSQL; a second entry of a job is an error.
CREATE SCHEMA ledger;
CREATE TABLE ledger.entry (
    workspace_id uuid,
    job_id       uuid PRIMARY KEY,
    fence        bigint NOT NULL
);
SELECT crmd.grant_app('ledger');
