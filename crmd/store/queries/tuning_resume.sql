-- Ends a pause; answers whether there was one. $1 text: key. Index: tuning_pkey.
SELECT crmd.resume($1)
