-- Keeps a copy of every table that has rows, in a schema of its own: what `rows_restore` goes back to.
-- A script, no parameters.
CREATE SCHEMA crmd_saved;
DO $$
DECLARE
    t record;
    is_filled boolean;
BEGIN
    FOR t IN
        SELECT c.oid, c.oid::regclass AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'crmd_saved')
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', t.name) INTO is_filled;
        IF is_filled THEN
            EXECUTE format('CREATE TABLE crmd_saved.%I AS TABLE %s', 't' || t.oid, t.name);
        END IF;
    END LOOP;
END $$
