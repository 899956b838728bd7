-- What became of a hand-over. It is told by whoever sent, who may have lost the lease by then: what it saw is true all
-- the same, so the hand-over's number decides and not the lease. Nothing is written when the effect was handed over
-- again meanwhile, or is confirmed; a doubt never takes the place of what somebody has found out.
-- $1 uuid: effect id  $2 int: which hand-over  $3 text: confirmed | refused | unknown  $4 jsonb: receipt or NULL
-- $5 text: reason or NULL. Index: effect_pkey.
UPDATE crmd.effect
SET state = $3, receipt = $4, reason = $5, changed_at = (SELECT crmd.clock())
WHERE id = $1 AND handovers = $2 AND (state = 'handed_over' OR ($3 = 'confirmed' AND state <> 'confirmed')
    OR ($3 = 'refused' AND state = 'unknown'))
RETURNING id
