-- How much room callers have: unfinished jobs of the workspace that were made through the API, those that the user made
-- within an hour, and when the oldest of them is an hour old. Makers of one workspace take turns until they commit.
-- $1 uuid: workspace  $2 uuid: user, or NULL. Index: api_job_workspace, api_job_user, job_pkey, lease_pkey.
WITH turn AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(hashtextextended('crmd.api_job ' || $1::uuid::text, 0))
), unfinished AS (
    SELECT count(*) AS n FROM turn, crmd.api_job a
    WHERE a.workspace_id = $1 AND a.created_at > crmd.clock() - interval '30 days'
      AND (EXISTS (SELECT FROM crmd.job j WHERE j.id = a.job_id) OR EXISTS (SELECT FROM crmd.lease l WHERE l.id = a.job_id))
), recent AS (
    SELECT count(*) AS n, min(a.created_at) AS oldest FROM turn, crmd.api_job a
    WHERE a.user_id = $2 AND a.created_at > crmd.clock() - interval '1 hour'
)
SELECT u.n AS unfinished, r.n AS recent,
    extract(epoch FROM r.oldest + interval '1 hour' - crmd.clock())::float8 AS wait_seconds
FROM unfinished u, recent r
