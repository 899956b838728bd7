-- Forgets a generation whose rows are gone. $1 text: name  $2 int: generation. Index: projection_pkey.
DELETE FROM crmd.projection p WHERE p.name = $1 AND p.generation = $2
