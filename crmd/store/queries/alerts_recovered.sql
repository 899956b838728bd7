-- Faults that were not found any more for a while are over, which is to be told. The table is small.
-- $1 float8: seconds
UPDATE crmd.alert a SET recovered_at = n.clock, due_at = n.clock, tries = 0
FROM (SELECT crmd.clock() AS clock) n
WHERE a.recovered_at IS NULL AND a.seen_at < n.clock - make_interval(secs => $1)
