-- Which history this server writes, asked on each new connection: a promotion begins the next one. The name of the
-- current WAL file tells it at once; the control file is behind until the first checkpoint. No parameters.
SELECT s.system_identifier AS system,
    ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint AS number
FROM pg_control_system() s
