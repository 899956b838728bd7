-- The sessions of daemons. $1 text: those whose application's name begins so.
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE $1 AND backend_type = 'client backend'
