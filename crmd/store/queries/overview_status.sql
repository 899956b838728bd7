-- How the engine stands, as one document. Ages are in seconds.
-- No parameters. Reads the tables of waiting and running jobs whole, and the newest partitions of the archive; of what died or failed
-- there only what nobody has run again.
SELECT jsonb_build_object(
    'queues', coalesce((SELECT jsonb_agg(to_jsonb(q)) FROM (
        SELECT queue, count(*) FILTER (WHERE held IS NULL AND run_at <= c.now) AS due,
            count(*) FILTER (WHERE held IS NULL AND run_at > c.now) AS scheduled,
            count(*) FILTER (WHERE held IS NOT NULL) AS held,
            coalesce(extract(epoch FROM c.now - min(run_at) FILTER (WHERE held IS NULL AND run_at <= c.now)), 0)::bigint
                AS oldest_due_seconds
        FROM crmd.job GROUP BY queue ORDER BY queue) q), '[]'),
    'running', (SELECT count(*) FROM crmd.lease),
    'orphaned', (SELECT count(*) FROM crmd.lease l
        WHERE NOT EXISTS (SELECT FROM crmd.daemon d WHERE d.id = l.daemon_id AND NOT d.is_dead)),
    'oldest_running_seconds', (SELECT coalesce(extract(epoch FROM c.now - min(claimed_at)), 0)::bigint FROM crmd.lease),
    'daemons', coalesce((SELECT jsonb_agg(to_jsonb(d)) FROM (
        SELECT id, host, pid, version, started_at, extract(epoch FROM c.now - beat_at)::bigint AS beat_seconds,
            lease_until > c.now AND NOT is_dead AS is_alive, stopping_at IS NOT NULL AS is_draining
        FROM crmd.daemon ORDER BY started_at) d), '[]'),
    'dead_last_day', coalesce((SELECT jsonb_agg(to_jsonb(a)) FROM (
        SELECT type, status, count(*) AS jobs, max(errors -> -1 ->> 'message') AS example
        FROM crmd.archive WHERE status IN ('dead', 'failed') AND finished_at > c.now - interval '1 day'
            AND NOT EXISTS (SELECT FROM crmd.redrive d WHERE d.job_id = archive.id)
        GROUP BY type, status ORDER BY jobs DESC, type) a), '[]'),
    'unknown_types', coalesce((SELECT jsonb_agg(DISTINCT j.type) FROM crmd.job j
        WHERE j.held = 'unknown' OR j.type NOT IN (
            SELECT t.name FROM crmd.job_type t UNION SELECT unnest(t.aliases) FROM crmd.job_type t)), '[]'),
    'schedules_late', (SELECT count(*) FROM crmd.schedule
        WHERE NOT is_paused AND error IS NULL AND next_due_at < c.now - interval '5 minutes'),
    'schedules_broken', coalesce((SELECT jsonb_agg(jsonb_build_object('id', id, 'error', error))
        FROM (SELECT id, error FROM crmd.schedule WHERE error IS NOT NULL ORDER BY id LIMIT 100) s), '[]'),
    'suspects', (SELECT count(*) FROM crmd.job WHERE held = 'suspect'),
    'quarantined', coalesce((SELECT jsonb_agg(jsonb_build_object('plugin', q.plugin, 'reason', q.reason,
            'since_seconds', extract(epoch FROM c.now - q.quarantined_at)::bigint,
            'probe_seconds', greatest(extract(epoch FROM q.probe_at - c.now), 0)::bigint) ORDER BY q.plugin)
        FROM crmd.quarantine q), '[]'),
    'projections_stalled', coalesce((SELECT jsonb_agg(jsonb_build_object('name', p.name, 'error', p.error) ORDER BY p.name)
        FROM crmd.projection p WHERE p.error IS NOT NULL), '[]'),
    'effects_unknown', (SELECT count(*) FROM crmd.effect WHERE state = 'unknown'),
    'failovers', coalesce((SELECT jsonb_agg(to_jsonb(f)) FROM (
        SELECT timeline_after AS timeline, min(seen_at) AS seen_at, min(kept_until) AS kept_until,
            sum(cardinality(stopped))::bigint AS stopped, sum(cardinality(claims_lost))::bigint AS claims_lost,
            sum(cardinality(outcomes_lost))::bigint AS outcomes_lost, sum(cardinality(jobs_lost))::bigint AS jobs_lost,
            bool_and(is_complete) AS is_complete
        FROM crmd.failover WHERE seen_at > c.now - interval '1 day'
        GROUP BY timeline_after ORDER BY seen_at DESC LIMIT 10) f), '[]'),
    'gates_closed', (SELECT count(*) FROM crmd.gate WHERE closed_until > c.now),
    'connections', coalesce((SELECT jsonb_agg(to_jsonb(n)) FROM (
        SELECT id, workspace_id, provider, account, state, last_error,
            extract(epoch FROM c.now - last_synced_at)::bigint AS synced_seconds
        FROM crmd.connections ORDER BY id) n), '[]'))
FROM (SELECT crmd.clock() AS now) c
