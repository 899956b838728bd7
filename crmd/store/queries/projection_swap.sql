-- Clears the place of the generation that is read for one that has come as far; whether the place is free. Readers see
-- the old rows until this commits and the new ones from then on. $1 text: name  $2 int: generation.
-- Index: projection_pkey.
WITH live AS (
    UPDATE crmd.projection p SET state = 'old'
    FROM crmd.projection b
    WHERE p.name = $1 AND p.state = 'live' AND b.name = $1 AND b.generation = $2 AND b.seq >= p.seq
    RETURNING p.generation
)
SELECT (SELECT count(*) FROM live) > 0
    OR NOT EXISTS (SELECT FROM crmd.projection p WHERE p.name = $1 AND p.state = 'live') AS is_free
