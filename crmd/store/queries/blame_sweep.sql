-- Forgets accounts and crashes of long ago. $1 int: days that are kept. Index: blame_pkey, crash_plugin.
WITH crashes AS (
    DELETE FROM crmd.crash WHERE crashed_at < (SELECT crmd.clock()) - make_interval(days => $1::integer)
)
DELETE FROM crmd.blame WHERE on_day < (SELECT crmd.clock() AT TIME ZONE 'UTC')::date - $1::integer
