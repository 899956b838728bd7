-- The daemons with what they run. $1 int: leases to name of each.
-- Reads crmd.daemon and crmd.lease whole; both are as small as the work in hand.
SELECT d.id, d.host, d.pid, d.version, d.queues, d.idle_queues, d.started_at, d.beat_at, d.lease_until,
    NOT d.is_dead AND d.lease_until > c.now AS is_alive, d.stopping_at IS NOT NULL AS is_draining,
    coalesce(h.running, 0) AS running, coalesce(h.leases[1:$1], '{}') AS leases
FROM (SELECT crmd.clock() AS now) c CROSS JOIN crmd.daemon d
LEFT JOIN (
    SELECT l.daemon_id, count(*) AS running, array_agg(jsonb_build_object('id', l.id, 'type', l.type, 'queue', l.queue,
        'workspaceId', l.workspace_id, 'attempt', l.attempt, 'claimedAt', l.claimed_at,
        'seconds', extract(epoch FROM crmd.clock() - l.claimed_at)::bigint) ORDER BY l.claimed_at) AS leases
    FROM crmd.lease l GROUP BY l.daemon_id) h ON h.daemon_id = d.id
ORDER BY d.started_at, d.id
