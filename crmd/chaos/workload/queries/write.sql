-- One row that a job writes under its lease; what the lease itself says is added by a trigger. How many tenants it sees
-- must be one: its own.
-- $1 uuid: job  $2 text: what  $3 bigint: fence  $4 uuid: claim id  $5 uuid: workspace, or NULL
INSERT INTO chaos.write (job_id, name, fence, claim_id, workspace_id, seen_count)
SELECT $1, $2, $3, $4, $5, (SELECT count(*) FROM chaos.tenant)
