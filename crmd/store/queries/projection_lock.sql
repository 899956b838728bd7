-- Takes a generation for this transaction, unless somebody has it. $1 text: name  $2 int: generation. Index: projection_pkey.
SELECT p.seq, p.state FROM crmd.projection p
WHERE p.name = $1 AND p.generation = $2 FOR UPDATE SKIP LOCKED
