-- Brings every table back to what `rows_save` has kept, past triggers and foreign keys: some fifty times faster than a new
-- database. Sequences go on. A script, no parameters; for a superuser.
DO $$
DECLARE
    t record;
BEGIN
    SET LOCAL session_replication_role = replica;
    SET LOCAL row_security = off;
    FOR t IN
        SELECT c.oid::regclass AS name, to_regclass(format('crmd_saved.%I', 't' || c.oid)) AS saved,
               (SELECT string_agg(format('%I', a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'crmd_saved')
    LOOP
        EXECUTE format('DELETE FROM %s', t.name);
        IF t.saved IS NOT NULL THEN
            EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s', t.name, t.columns, t.columns,
                t.saved);
        END IF;
    END LOOP;
END $$
