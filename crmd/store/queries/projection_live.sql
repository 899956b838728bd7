-- Makes a generation the one that is read. $1 text: name  $2 int: generation. Index: projection_pkey.
UPDATE crmd.projection p SET state = 'live' WHERE p.name = $1 AND p.generation = $2
