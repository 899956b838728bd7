-- Hands events to a handler again; answers how many jobs that made. See crmd.redeliver.
-- $1 text: handler  $2 uuid[]: events  $3 float8: seconds until the jobs are due  $4 bool: those it has had too
SELECT crmd.redeliver($1, $2, crmd.clock() + make_interval(secs => $3), $4)
