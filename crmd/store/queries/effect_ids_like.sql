-- The effects whose id begins so; two are enough to say that it is not one.
-- $1 uuid, $2 uuid: the first and the last id of that beginning. Index: effect_pkey.
SELECT e.id FROM crmd.effect e WHERE e.id BETWEEN $1 AND $2 ORDER BY e.id LIMIT 2
