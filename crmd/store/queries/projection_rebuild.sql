-- Has a projection built from the oldest event, beside the generation that is read. Answers the new generation.
-- $1 text: name. Index: projection_pkey.
INSERT INTO crmd.projection (name, generation, plugin, version, state, made_at)
SELECT n.name, n.generation + 1, n.plugin, n.version, 'building', crmd.clock()
FROM crmd.projection n WHERE n.name = $1 ORDER BY n.generation DESC LIMIT 1
RETURNING generation
