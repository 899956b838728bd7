-- Process ids of all sessions of this database. No parameters.
SELECT array_agg(pid) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
