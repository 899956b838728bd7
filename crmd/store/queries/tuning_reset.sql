-- Takes back what was set of a key; answers whether anything was. $1 text: key. Index: tuning_pkey.
SELECT crmd.untune($1)
