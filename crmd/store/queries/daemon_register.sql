-- Announces a daemon under a new random id.
-- $1 uuid: id  $2 text: host  $3 int: pid  $4 text: version  $5 text[]: queues  $6 float8: lease seconds
INSERT INTO crmd.daemon (id, host, pid, version, queues, started_at, beat_at, lease_until)
SELECT $1, $2, $3, $4, $5, n.clock, n.clock, n.clock + make_interval(secs => $6) FROM (SELECT crmd.clock() AS clock) n
