-- What `crmd doctor` wants to know of the server: version, room for connections, old snapshots, partitions.
-- No parameters. Old snapshots keep dead rows of the queue from being cleared away, which slows every claim.
SELECT current_setting('server_version_num')::integer AS version,
    current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer AS connections_max,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::integer AS connections_used,
    coalesce((SELECT max(extract(epoch FROM clock_timestamp() - xact_start)) FROM pg_stat_activity
        WHERE backend_xmin IS NOT NULL AND backend_type = 'client backend' AND pid <> pg_backend_pid()), 0)::float8
        AS oldest_snapshot_seconds,
    to_regclass('crmd.archive_' || to_char(clock_timestamp() AT TIME ZONE 'UTC' + interval '1 day', 'YYYYMMDD'))
        IS NOT NULL AS has_partition_of_tomorrow,
    pg_is_in_recovery() AS is_standby,
    current_setting('statement_timeout') <> '0' AS is_bounded,
    clock_timestamp() AS now
