-- Of which workspaces other daemons have live streams; NULL: of all. $1 uuid: our own hub. Reads the whole table: it has
-- a row for each daemon at most.
SELECT workspaces FROM crmd.watching WHERE expires_at > crmd.clock() AND id <> $1
