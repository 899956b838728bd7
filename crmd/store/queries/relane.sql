-- Gives the waiting jobs of a type the lane that its new keys make. $1 text: job type
-- Reads crmd.job whole; runs only when an operator or a new release has changed the keys.
UPDATE crmd.job j SET lane = crmd.lane_of(t.keys, j.workspace_id, j.user_id, j.payload)
FROM crmd.job_type t
WHERE t.name = $1 AND j.type = $1
  AND j.lane IS DISTINCT FROM crmd.lane_of(t.keys, j.workspace_id, j.user_id, j.payload)
