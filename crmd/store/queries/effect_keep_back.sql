-- An effect that was not allowed to be handed over: refused for good, or planned for later. What was handed over
-- before stays as it is.
-- $1 uuid: workspace or NULL  $2 text: kind  $3 text: key  $4 uuid: job id  $5 text: job type  $6 text: state
-- $7 text: why. Index: effect_workspace_id_kind_key_key.
INSERT INTO crmd.effect AS e (workspace_id, kind, key, job_id, job_type, state, reason, planned_at, changed_at)
SELECT $1, $2, $3, $4, $5, $6, $7, n.clock, n.clock FROM (SELECT crmd.clock() AS clock) n
ON CONFLICT (workspace_id, kind, key) DO UPDATE
SET state = excluded.state, reason = excluded.reason, changed_at = excluded.changed_at
WHERE e.state IN ('planned', 'refused')
