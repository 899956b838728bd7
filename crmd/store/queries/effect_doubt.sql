-- Notes that nobody knows whether an effect was taken, and which job is held until somebody does (NULL: none).
-- Runs behind effect_plan, which locked it.
-- $1 uuid: effect id  $2 text: why, where nothing is noted yet  $3 uuid: job id or NULL. Index: effect_pkey.
UPDATE crmd.effect
SET changed_at = CASE state WHEN 'unknown' THEN changed_at ELSE (SELECT crmd.clock()) END, state = 'unknown',
    reason = coalesce(reason, $2),
    waiting = CASE WHEN $3::uuid IS NULL OR $3 = ANY (waiting) THEN waiting ELSE waiting || $3 END
WHERE id = $1
RETURNING id
