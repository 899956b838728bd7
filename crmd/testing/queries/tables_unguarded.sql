-- Tables of plugins that have a workspace_id and lack a part of row-level security.
-- $1 text[]: tables of other plugins, quoted as here
SELECT format('%I.%I', n.nspname, c.relname) AS name,
       CASE WHEN NOT c.relrowsecurity THEN 'row-level security is not enabled'
            WHEN NOT c.relforcerowsecurity THEN 'row-level security is not forced, so the owner passes it by'
            ELSE 'it has no policy' END AS lacks
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('crmd', 'pg_catalog', 'information_schema', 'crmd_saved')
  AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'workspace_id' AND NOT a.attisdropped)
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))
  AND format('%I.%I', n.nspname, c.relname) <> ALL ($1)
ORDER BY 1
