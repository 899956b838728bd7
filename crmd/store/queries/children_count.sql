-- Makes a running job count jobs as its children that others started. $1 uuid: parent  $2 uuid[]: jobs
SELECT crmd.count_as_children($1, $2)
