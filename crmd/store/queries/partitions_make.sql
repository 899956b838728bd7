-- Makes the partitions of the coming days. $1 text: table in schema crmd
SELECT crmd.make_partitions($1)
