-- Erases a bounded number of a workspace's rows in one table; answers how many.
-- $1 oid: table  $2 text: its condition  $3 uuid: workspace  $4 int: rows at most
SELECT crmd.tenant_erase($1, $2, $3, $4)
