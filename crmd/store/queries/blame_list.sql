-- What the jobs of each plugin did to the daemons in the last days, and whether it is quarantined.
-- $1 int: days. Reads both tables; a plugin has a row a day.
SELECT coalesce(b.plugin, q.plugin) AS plugin, coalesce(b.stalls, 0) AS stalls, b.stall_seconds, b.stall_place,
    coalesce(b.errors, '{}') AS errors, coalesce(b.crashes, 0) AS crashes, b.crash_reason,
    coalesce(b.abandoned, 0) AS abandoned, coalesce(b.held, 0) AS held, b.held_seconds, b.memory_mib, b.growth_mib,
    q.reason AS quarantine_reason, q.quarantined_at, q.probe_at, q.probes
FROM (
    SELECT d.plugin, sum(d.stalls) AS stalls, max(d.stall_seconds) AS stall_seconds,
        (array_agg(d.stall_place ORDER BY d.on_day DESC) FILTER (WHERE d.stall_place IS NOT NULL))[1] AS stall_place,
        (SELECT jsonb_object_agg(s.name, s.total) FROM (
            SELECT e.key AS name, sum(e.value::bigint) AS total
            FROM crmd.blame o CROSS JOIN LATERAL jsonb_each_text(o.errors) e
            WHERE o.plugin = d.plugin AND o.on_day > (SELECT crmd.clock() AT TIME ZONE 'UTC')::date - $1::integer
            GROUP BY e.key) s) AS errors,
        sum(d.crashes) AS crashes,
        (array_agg(d.crash_reason ORDER BY d.on_day DESC) FILTER (WHERE d.crash_reason IS NOT NULL))[1] AS crash_reason,
        sum(d.abandoned) AS abandoned, sum(d.held) AS held, max(d.held_seconds) AS held_seconds,
        max(d.memory_mib) AS memory_mib, max(d.growth_mib) AS growth_mib
    FROM crmd.blame d WHERE d.on_day > (SELECT crmd.clock() AT TIME ZONE 'UTC')::date - $1::integer GROUP BY d.plugin) b
FULL JOIN crmd.quarantine q ON q.plugin = b.plugin
ORDER BY 1
