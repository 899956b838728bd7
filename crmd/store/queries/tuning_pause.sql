-- Lets a key rest on all daemons. $1 text: key  $2 text: reason  $3 float8: seconds, or NULL: until it is resumed
-- Index: tuning_pkey.
SELECT crmd.pause($1, $2, $3)
