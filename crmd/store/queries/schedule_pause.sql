-- Pauses a schedule or lets it go on, from the next slot: what was due during the pause is not made up for.
-- $1 text: id  $2 bool: whether it is paused. Index: schedule_pkey.
UPDATE crmd.schedule SET is_paused = $2, updated_at = crmd.clock(),
    last_due_at = CASE WHEN is_paused AND NOT $2 THEN (SELECT crmd.clock()) ELSE last_due_at END
WHERE id = $1 RETURNING id
