-- Whether the claim that handed an effect over is still the current one of its job. A statement of its own behind
-- effect_plan, since its snapshot has to be younger than the lock on the effect.
-- $1 uuid: job id  $2 bigint: fence  $3 uuid: claim id. Index: lease_pkey.
SELECT EXISTS (SELECT FROM crmd.lease WHERE id = $1 AND fence = $2 AND claim_id = $3) AS is_held
