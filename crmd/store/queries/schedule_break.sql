-- Sets a schedule aside that cannot be evaluated, with the reason; the others go on. $1 text: id  $2 text: reason
UPDATE crmd.schedule SET error = $2 WHERE id = $1
