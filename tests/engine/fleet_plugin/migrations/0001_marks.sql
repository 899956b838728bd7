-- What the jobs of this plugin leave behind, one row each time they get that far.
CREATE SCHEMA fleet;
CREATE TABLE fleet.mark (
    workspace_id uuid,
    job_id       uuid NOT NULL,
    type         text NOT NULL,
    pid          integer NOT NULL,
    fence        bigint NOT NULL,
    begun_at     timestamptz,
    marked_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
SELECT crmd.grant_app('fleet');
