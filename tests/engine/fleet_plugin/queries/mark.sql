-- Leaves a mark. $1 uuid: job  $2 text: type  $3 uuid: workspace  $4 int: pid  $5 bigint: fence  $6 timestamptz: begun
INSERT INTO fleet.mark (job_id, type, workspace_id, pid, fence, begun_at) VALUES ($1, $2, $3, $4, $5, $6)
