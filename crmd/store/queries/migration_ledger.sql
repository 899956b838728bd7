-- The ledger of applied migrations; made outside any migration, since the first one needs it.
-- Two statements, no parameters.
CREATE SCHEMA IF NOT EXISTS crmd;
CREATE TABLE IF NOT EXISTS crmd.migration (
    namespace  text NOT NULL,
    number     integer NOT NULL,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (namespace, number)
)
