-- The scratch database goes, with whoever is still in it; {name} is the caller's own.
DROP DATABASE IF EXISTS {name} WITH (FORCE)
