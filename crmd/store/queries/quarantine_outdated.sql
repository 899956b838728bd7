-- Releases plugins of which another version is loaded than the one that crashed; answers them.
-- $1 text[]: loaded plugins  $2 text[]: their versions. Index: quarantine_pkey.
DELETE FROM crmd.quarantine q USING unnest($1::text[], $2::text[]) AS l(plugin, version)
WHERE q.plugin = l.plugin AND q.version <> l.version
RETURNING q.plugin
