-- How many rows a workspace has in one table. $1 oid: table  $2 text: its condition  $3 uuid: workspace
SELECT crmd.tenant_count($1, $2, $3)
