-- Adds what jobs did to a daemon to the day's account of their plugins.
-- $1 jsonb: an array of rows of crmd.blame without on_day. Index: blame_pkey.
INSERT INTO crmd.blame AS b (plugin, on_day, stalls, stall_seconds, stall_place, errors, crashes, crash_reason, abandoned,
    held, held_seconds, memory_mib, growth_mib)
SELECT r.plugin, (n.clock AT TIME ZONE 'UTC')::date, r.stalls, r.stall_seconds, r.stall_place, r.errors, r.crashes,
    r.crash_reason, r.abandoned, r.held, r.held_seconds, r.memory_mib, r.growth_mib
FROM jsonb_populate_recordset(NULL::crmd.blame, $1) r, (SELECT crmd.clock() AS clock) n ORDER BY r.plugin
ON CONFLICT (plugin, on_day) DO UPDATE SET
    stalls = b.stalls + excluded.stalls,
    stall_seconds = greatest(b.stall_seconds, excluded.stall_seconds),
    stall_place = coalesce(excluded.stall_place, b.stall_place),
    errors = (SELECT coalesce(jsonb_object_agg(name, total), '{}') FROM (
        SELECT name, sum(value::bigint) AS total
        FROM (SELECT * FROM jsonb_each_text(b.errors) UNION ALL SELECT * FROM jsonb_each_text(excluded.errors)) e(name, value)
        GROUP BY name ORDER BY total DESC, name LIMIT 50) kept),
    crashes = b.crashes + excluded.crashes,
    crash_reason = coalesce(excluded.crash_reason, b.crash_reason),
    abandoned = b.abandoned + excluded.abandoned,
    held = b.held + excluded.held,
    held_seconds = greatest(b.held_seconds, excluded.held_seconds),
    memory_mib = greatest(b.memory_mib, excluded.memory_mib),
    growth_mib = greatest(b.growth_mib, excluded.growth_mib)
