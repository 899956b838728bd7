-- Announces a daemon under a new random id, unless a newer release has broken with the migrations that it knows.
-- $1 uuid: id  $2 text: host  $3 int: pid  $4 text: version  $5 text[]: queues  $6 float8: lease seconds
-- $7 int: the newest migration of the core that it knows
INSERT INTO crmd.daemon (id, host, pid, version, queues, started_at, beat_at, lease_until)
SELECT $1, $2, $3, $4, $5, n.clock, n.clock, n.clock + make_interval(secs => $6) FROM (SELECT crmd.clock() AS clock) n
WHERE NOT EXISTS (
    SELECT FROM crmd.migration m WHERE m.namespace = 'crmd' AND m.number > $7 AND starts_with(m.name, 'breaks_'))
RETURNING id
