-- Plans an effect, or finds and locks the row that it has already. The update changes nothing: it is what locks a row
-- that exists and answers its newest version in one statement. Runs behind lease_held, in one transaction with what
-- follows from the answer.
-- $1 uuid: workspace or NULL  $2 text: kind  $3 text: key  $4 uuid: job id  $5 text: job type
-- Index: effect_workspace_id_kind_key_key.
INSERT INTO crmd.effect AS e (workspace_id, kind, key, job_id, job_type, planned_at, changed_at)
SELECT $1, $2, $3, $4, $5, n.clock, n.clock FROM (SELECT crmd.clock() AS clock) n
ON CONFLICT (workspace_id, kind, key) DO UPDATE SET changed_at = e.changed_at
RETURNING e.id, e.state, e.handovers, e.receipt, e.reason, e.job_id, e.fence, e.claim_id,
    coalesce(extract(epoch FROM (SELECT crmd.clock()) - e.handed_over_at), 0)::float8 AS handed_over_seconds
