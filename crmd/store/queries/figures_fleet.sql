-- The fleet in figures, for metrics and alerts: as many rows as there are queues, types and providers. Ages in seconds.
-- $1 float8: a schedule is late after so many seconds  $2 float8: so long without a sync, and a connection is stale
-- Reads the tables of waiting and running jobs whole. Index: archive_trouble, redrive_pkey.
SELECT jsonb_build_object(
    'waiting', coalesce((SELECT jsonb_agg(to_jsonb(q)) FROM (
        SELECT j.queue, count(*) FILTER (WHERE j.held IS NULL AND j.run_at <= c.now) AS due,
            count(*) FILTER (WHERE j.held IS NULL AND j.run_at > c.now) AS scheduled,
            count(*) FILTER (WHERE j.held IS NOT NULL) AS held,
            greatest(coalesce(extract(epoch FROM c.now - min(j.run_at) FILTER (WHERE j.held IS NULL)), 0), 0)::float8
                AS "dueSeconds",
            EXISTS (SELECT FROM crmd.daemon d WHERE j.queue = ANY (d.queues) AND NOT d.is_dead
                    AND d.lease_until > c.now) AS "isServed"
        FROM crmd.job j GROUP BY j.queue) q), '[]'),
    'running', coalesce((SELECT jsonb_agg(to_jsonb(r)) FROM (
        SELECT l.queue, count(*) AS jobs, extract(epoch FROM c.now - min(l.claimed_at))::float8 AS "oldestSeconds"
        FROM crmd.lease l GROUP BY l.queue) r), '[]'),
    'retrying', coalesce((SELECT jsonb_object_agg(t.type, t.jobs) FROM (
        SELECT j.type, count(*) AS jobs FROM crmd.job j WHERE j.attempt >= 2 AND j.errors IS NOT NULL
        GROUP BY j.type) t), '{}'),
    'trouble', coalesce((SELECT jsonb_agg(to_jsonb(a)) FROM (
        SELECT a.type, a.status, count(*) AS jobs,
            count(*) FILTER (WHERE a.finished_at > c.now - interval '1 hour') AS "lastHour"
        FROM crmd.archive a
        WHERE a.status IN ('dead', 'failed') AND a.finished_at > (SELECT crmd.clock()) - interval '1 day'
          AND NOT EXISTS (SELECT FROM crmd.redrive x WHERE x.job_id = a.id)
        GROUP BY a.type, a.status) a), '[]'),
    'daemons', (SELECT jsonb_build_object(
            'alive', count(*) FILTER (WHERE NOT d.is_dead AND d.lease_until > c.now AND d.stopping_at IS NULL),
            'draining', count(*) FILTER (WHERE NOT d.is_dead AND d.lease_until > c.now AND d.stopping_at IS NOT NULL),
            'beatSeconds', coalesce(extract(epoch FROM c.now - min(d.beat_at)
                FILTER (WHERE NOT d.is_dead AND d.lease_until > c.now)), 0)::float8,
            'lost', coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'host', d.host, 'at', d.beat_at,
                'isReplaced', EXISTS (SELECT FROM crmd.daemon o WHERE o.host = d.host AND NOT o.is_dead
                    AND o.lease_until > c.now AND o.started_at > d.started_at)))
                FILTER (WHERE (d.is_dead OR d.lease_until <= c.now) AND d.stopping_at IS NULL), '[]'))
        FROM crmd.daemon d),
    'schedules', (SELECT jsonb_build_object(
            'ok', count(*) FILTER (WHERE NOT s.is_paused AND s.error IS NULL AND s.next_due_at >= l.at),
            'late', count(*) FILTER (WHERE NOT s.is_paused AND s.error IS NULL AND s.next_due_at < l.at),
            'paused', count(*) FILTER (WHERE s.is_paused AND s.error IS NULL),
            'broken', count(*) FILTER (WHERE s.error IS NOT NULL),
            'lateSeconds', greatest(coalesce(extract(epoch FROM c.now - min(s.next_due_at)
                FILTER (WHERE NOT s.is_paused AND s.error IS NULL)), 0), 0)::float8)
        FROM crmd.schedule s, (SELECT c.now - make_interval(secs => $1) AS at) l WHERE s.done_at IS NULL),
    'connections', coalesce((SELECT jsonb_agg(to_jsonb(n)) FROM (
        SELECT o.provider, o.state, count(*) AS connections,
            count(*) FILTER (WHERE coalesce(o.last_synced_at, o.created_at) < c.now - make_interval(secs => $2)) AS stale,
            coalesce(extract(epoch FROM c.now - min(coalesce(o.last_synced_at, o.created_at))), 0)::float8 AS "syncSeconds"
        FROM crmd.connections o GROUP BY o.provider, o.state) n), '[]'),
    'gates', (SELECT count(*) FROM crmd.gate g WHERE g.closed_until > c.now),
    'quarantined', coalesce((SELECT jsonb_agg(q.plugin ORDER BY q.plugin) FROM crmd.quarantine q), '[]'),
    'unknownEffects', (SELECT count(*) FROM crmd.effect e WHERE e.state = 'unknown'))
FROM (SELECT crmd.clock() AS now) c
