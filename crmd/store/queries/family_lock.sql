-- How a parent's children stand, locked: whoever ends the last child decides behind the same lock.
-- $1 uuid: the parent's id. Index: family_pkey.
SELECT f.pending, crmd.parent_result($2, f) AS result FROM crmd.family f WHERE f.parent_id = $1 FOR UPDATE
