-- How far back a search has looked that no index leads: the id of the oldest ended job that it met; no row: it met all.
-- $1 uuid: it looked at what is older than this job, NULL: from the newest  $2 int: how many it looked at
-- Index: archive_pkey, from its end.
SELECT a.id FROM crmd.archive a WHERE a.id < coalesce($1, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
ORDER BY a.id DESC OFFSET $2::int - 1 LIMIT 1
