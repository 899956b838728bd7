-- Drops the partitions of days beyond retention. $1 text: table in schema crmd  $2 text: its time column  $3 int: days
SELECT crmd.drop_partitions($1, $2, $3)
