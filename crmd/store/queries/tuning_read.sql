-- What operators have changed live, as each daemon reads it every second, and the types of quarantined plugins, which
-- rest like paused ones. No parameters. Reads crmd.tuning and crmd.quarantine whole; they are small.
SELECT key, max, slots, weight, coalesce(paused_until > (SELECT crmd.clock()), false) AS is_paused FROM crmd.tuning
UNION ALL
SELECT 'type:' || t.name, NULL, NULL, NULL, true FROM crmd.quarantine q JOIN crmd.job_type t ON t.plugin = q.plugin
