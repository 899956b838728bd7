-- Forgets gates that opened by themselves some time ago.
-- $1 seconds since then, float8. Gates are few: a scan is fine.
DELETE FROM crmd.gate WHERE closed_until < (SELECT crmd.clock()) - make_interval(secs => $1::float8)
