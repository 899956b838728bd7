-- Says of which workspaces this daemon has live streams, and forgets daemons that have long said nothing.
-- $1 uuid: our hub  $2 uuid[]: workspaces, NULL: all  $3 float8: seconds that it holds. Index: watching_pkey.
WITH old AS (
    DELETE FROM crmd.watching WHERE expires_at < crmd.clock() - interval '1 hour' AND id <> $1
)
INSERT INTO crmd.watching (id, workspaces, expires_at) VALUES ($1, $2, crmd.clock() + make_interval(secs => $3))
ON CONFLICT (id) DO UPDATE SET workspaces = excluded.workspaces, expires_at = excluded.expires_at
