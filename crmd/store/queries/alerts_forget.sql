-- Forgets faults whose end was told. That a daemon was lost is seen for an hour and told once, so it is kept for longer.
-- $1 text[]: ways. The table is small.
DELETE FROM crmd.alert a WHERE a.recovered_at IS NOT NULL AND a.told_end @> $1
    AND (a.kind <> 'daemon' OR a.recovered_at < (SELECT crmd.clock()) - interval '2 hours')
