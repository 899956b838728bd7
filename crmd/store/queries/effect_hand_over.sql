-- Hands an effect over to a claim; committed before the first byte leaves. Runs behind effect_plan, which locked it.
-- $1 uuid: effect id  $2 uuid: job id  $3 text: job type  $4 bigint: fence  $5 uuid: claim id. Index: effect_pkey.
UPDATE crmd.effect
SET state = 'handed_over', job_id = $2, job_type = $3, fence = $4, claim_id = $5, handovers = handovers + 1,
    reason = NULL, handed_over_at = n.clock, changed_at = n.clock
FROM (SELECT crmd.clock() AS clock) n
WHERE id = $1
RETURNING handovers
