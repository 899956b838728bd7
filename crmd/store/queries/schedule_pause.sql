-- Pauses a schedule or lets it go on. What was due during the pause is not made up for, unless that is asked for; then
-- its rule for missed ticks decides. Its times are looked at again at once.
-- $1 text: id  $2 bool: whether it is paused  $3 bool: whether to make up. Index: schedule_pkey.
UPDATE crmd.schedule SET is_paused = $2, updated_at = crmd.clock(),
    last_due_at = CASE WHEN is_paused AND NOT $2 AND NOT $3 THEN greatest(last_due_at, (SELECT crmd.clock()))
        ELSE last_due_at END,
    next_due_at = CASE WHEN is_paused AND NOT $2 AND done_at IS NULL THEN (SELECT crmd.clock()) ELSE next_due_at END
WHERE id = $1 RETURNING id
