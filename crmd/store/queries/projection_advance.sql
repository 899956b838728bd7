-- Moves a generation on. $1 text: name  $2 int: generation  $3 bigint: folded up to here. Index: projection_pkey.
UPDATE crmd.projection p SET seq = greatest(p.seq, $3), folded_at = crmd.clock(), failures = 0, retry_at = NULL, error = NULL
WHERE p.name = $1 AND p.generation = $2
