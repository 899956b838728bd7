-- Ends about half of the sessions of daemons at once, chosen by a number. $1 int: a chance
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'crmd %' AND backend_type = 'client backend'
  AND (pid + $1) % 2 = 0
