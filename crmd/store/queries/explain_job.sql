-- Everything that decides when a job may run, but for its keys: see explain_keys.sql. One row of JSON; NULL: no such job.
-- $1 uuid: job  $2 int: how far the line before it is counted
-- Index: job_pkey, lease_pkey, archive_pkey, dependency_job, family_pkey, effect_open, then job_ready or job_lane.
SELECT jsonb_build_object(
    'id', j.id, 'type', j.type, 'status', j.status, 'queue', j.queue, 'priority', j.priority, 'held', j.held,
    'lane', j.lane, 'workspace_id', j.workspace_id, 'attempt', j.attempt, 'max_attempts', j.max_attempts,
    'crash_count', j.crash_count, 'run_at', j.run_at, 'created_at', j.created_at, 'started_at', j.started_at,
    'finished_at', j.finished_at, 'expires_at', j.expires_at, 'last_error', j.errors -> -1, 'now', c.now,
    'due_in', CASE WHEN isfinite(j.run_at) THEN extract(epoch FROM j.run_at - c.now) END, 'cancel_requested_at', j.cancel_requested_at,
    'waits_for', j.waits_for,
    'type_known', t.name IS NOT NULL, 'plugin', t.plugin, 'payload_version', coalesce((j.meta ->> 'payloadVersion')::integer, 1),
    'newest_version', t.payload_version,
    'follows', (SELECT w.follows FROM crmd.job w WHERE w.id = j.id),
    'retried_to', (SELECT r.new_job_id FROM crmd.redrive r WHERE r.job_id = j.id),
    'running_on', (SELECT jsonb_build_object('host', d.host, 'pid', d.pid, 'is_dead', d.is_dead OR d.lease_until < c.now)
                   FROM crmd.daemon d WHERE d.id = j.daemon_id),
    'family', (SELECT jsonb_build_object('total', f.total, 'pending', f.pending) FROM crmd.family f WHERE f.parent_id = j.id),
    'effects', (SELECT jsonb_agg(jsonb_build_object('id', e.id, 'kind', e.kind, 'key', e.key, 'reason', e.reason))
                FROM crmd.effect e WHERE (e.job_id = j.id OR j.id = ANY (e.waiting)) AND e.state = 'unknown'),
    'quarantine', (SELECT jsonb_build_object('plugin', q.plugin, 'reason', q.reason, 'probe_at', q.probe_at)
                   FROM crmd.quarantine q WHERE q.plugin = t.plugin),
    'pauses', (SELECT coalesce(jsonb_agg(jsonb_build_object('key', u.key, 'reason', u.pause_reason,
                   'until', CASE WHEN isfinite(u.paused_until) THEN u.paused_until END) ORDER BY u.key), '[]')
               FROM crmd.tuning u WHERE u.paused_until > c.now AND (
                   u.key IN ('queue:' || j.queue, 'type:' || j.type, 'workspace/' || j.workspace_id)
                   OR u.key = ANY (string_to_array(j.lane, ' ')))),
    'daemons', (SELECT coalesce(jsonb_agg(jsonb_build_object('host', d.host, 'pid', d.pid,
                    'is_draining', d.stopping_at IS NOT NULL, 'is_idle', j.queue = ANY (d.idle_queues))), '[]')
                FROM crmd.daemon d WHERE j.queue = ANY (d.queues) AND NOT d.is_dead AND d.lease_until > c.now),
    'running_in_queue', (SELECT count(*) FROM crmd.lease l WHERE l.queue = j.queue),
    'ahead', CASE WHEN j.status = 'pending' AND j.held IS NULL THEN (SELECT count(*) FROM (
        SELECT FROM crmd.job o, crmd.job me
        WHERE me.id = j.id AND o.queue = me.queue AND o.lane IS NOT DISTINCT FROM me.lane AND o.held IS NULL
          AND (o.rank_at, o.id) < (me.rank_at, me.id) AND o.run_at <= c.now LIMIT $2) line) END)
FROM (SELECT crmd.clock() AS now) c
JOIN crmd.jobs j ON j.id = $1
LEFT JOIN LATERAL crmd.job_type_called(j.type) t ON true
