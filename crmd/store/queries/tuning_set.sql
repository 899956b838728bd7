-- Sets what is given of a key. $1 text: key  $2 text: reason  $3 int: running jobs over all daemons
-- $4 int: slots of a queue in each daemon  $5 float4: weight. Index: tuning_pkey.
SELECT crmd.tune($1, $2, $3, $4, $5)
