-- Notes that a fold failed; the next try waits twice as long each time, up to ten minutes.
-- $1 text: name  $2 int: generation  $3 text: what went wrong. Index: projection_pkey.
UPDATE crmd.projection p SET error = $3, failures = p.failures + 1,
    retry_at = crmd.clock() + make_interval(secs => least(600, 2 ^ least(p.failures, 10)))
WHERE p.name = $1 AND p.generation = $2
