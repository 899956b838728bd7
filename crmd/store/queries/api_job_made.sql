-- Notes jobs that a caller has made, and forgets a few that have long ended.
-- $1 uuid[]: jobs  $2 uuid: workspace  $3 uuid: user, or NULL. Index: api_job_pkey, api_job_workspace.
WITH old AS (
    DELETE FROM crmd.api_job WHERE job_id = ANY (ARRAY(
        SELECT a.job_id FROM crmd.api_job a
        WHERE a.workspace_id = $2 AND a.created_at < crmd.clock() - interval '1 hour'
          AND NOT EXISTS (SELECT FROM crmd.job j WHERE j.id = a.job_id)
          AND NOT EXISTS (SELECT FROM crmd.lease l WHERE l.id = a.job_id)
        ORDER BY a.created_at LIMIT 50))
)
INSERT INTO crmd.api_job (job_id, workspace_id, user_id) SELECT i, $2, $3 FROM unnest($1::uuid[]) i
ON CONFLICT (job_id) DO NOTHING
