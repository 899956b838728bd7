-- Forgets projections that the loaded plugins no longer declare; their rows are their plugins'.
-- $1 text[]: loaded plugins  $2 text[]: names declared. Index: none; there are few.
DELETE FROM crmd.projection p WHERE p.plugin = ANY ($1) AND p.name <> ALL ($2)
