-- Puts a clock in place of the database's: real time plus an offset, or an instant that stands still.
-- A script, no parameters.
CREATE TABLE IF NOT EXISTS crmd.test_clock (shift interval NOT NULL, frozen_at timestamptz);
-- A plugin's statements ask for the time as well, as crmd_app.
GRANT SELECT ON crmd.test_clock TO PUBLIC;
CREATE OR REPLACE FUNCTION crmd.clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT coalesce(t.frozen_at, clock_timestamp()) + t.shift FROM crmd.test_clock t
$$;
DELETE FROM crmd.test_clock;
INSERT INTO crmd.test_clock VALUES (interval '0', NULL)
