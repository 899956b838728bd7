-- What was answered to a request with this key. $1 uuid: workspace  $2 text: key. Index: api_answer_pkey.
SELECT fingerprint, status, body FROM crmd.api_answer WHERE workspace_id = $1 AND key = $2
