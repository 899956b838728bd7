-- Somebody has found out what became of an effect that was unknown.
-- $1 uuid: effect id  $2 text: confirmed | refused  $3 jsonb: receipt or NULL  $4 text: who says so. Index: effect_pkey.
UPDATE crmd.effect
SET state = $2, receipt = $3, reason = $4, waiting = '{}', changed_at = (SELECT crmd.clock())
WHERE id = $1 AND state = 'unknown'
RETURNING id
