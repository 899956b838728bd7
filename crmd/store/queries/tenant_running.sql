-- How many jobs of a workspace still run. $1 uuid: workspace. crmd.lease is as small as the work in hand.
SELECT count(*) FROM crmd.lease WHERE workspace_id = $1
