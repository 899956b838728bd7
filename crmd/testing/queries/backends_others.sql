-- Sessions of this database that were not there before. $1 int[]: process ids of those that were
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> ALL ($1)
