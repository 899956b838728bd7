-- Every table with rows of workspaces: see crmd.tenant_tables. No parameters. Reads the catalogue.
SELECT oid, schema_name, root_name, condition, is_erased, place FROM crmd.tenant_tables()
ORDER BY place, schema_name, root_name, oid
