-- Takes what a consent needs to end, once, and only so long after it began.
-- $1 uuid: workspace  $2 text: key  $3 float8: seconds. Index: api_answer_pkey.
DELETE FROM crmd.api_answer
WHERE workspace_id = $1 AND key = $2 AND status = 0 AND created_at > crmd.clock() - make_interval(secs => $3)
RETURNING body
