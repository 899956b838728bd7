-- Pauses a schedule or lets it go on, from the next slot. $1 text: id  $2 bool: whether it is paused
UPDATE crmd.schedule SET is_paused = $2, updated_at = crmd.clock() WHERE id = $1 RETURNING id
