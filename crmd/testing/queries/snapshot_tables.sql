-- The tables of plugins: all that belong to no schema of crmd or of PostgreSQL. No parameters.
SELECT format('%I.%I', n.nspname, c.relname) AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('crmd', 'pg_catalog', 'information_schema', 'pg_toast', 'crmd_saved') ORDER BY 1
