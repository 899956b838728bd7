-- What steps did, in the order in which they did it; two rows of one step are two calls.
CREATE SCHEMA durable;

CREATE TABLE durable.done (
    place  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id uuid NOT NULL,
    step   text NOT NULL
);

SELECT crmd.grant_app('durable');
