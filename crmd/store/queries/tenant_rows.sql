-- The rows of a workspace in one table, as JSON; see crmd.tenant_rows.
-- $1 oid: table  $2 text: its condition, from tenant_tables  $3 uuid: workspace. Reads the whole table where it has no index.
SELECT crmd.tenant_rows($1, $2, $3) AS row
