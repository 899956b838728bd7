-- Which of a daemon's housekeeping has anything to do: one look a second for all of it, so that a daemon without work
-- costs next to nothing. A column that is true may be so for another daemon's sake; one that is false is not in doubt.
-- `ends_seconds` is when the next of the daemons' leases runs out, if none is renewed; NULL: none is held. As where they
-- are declared dead (daemon_bury), each has the time of a lease anew after a restart of the server.
-- $1 text[]: projections loaded here. Index: job_suspect, job_follows, job_expires, job_unknown, waiting_unsure,
-- waiting_met, lease_pkey, effect_open, job_reconcile; the other tables are small.
SELECT
    EXISTS (SELECT FROM crmd.daemon d WHERE NOT d.is_dead AND d.lease_until < n.clock AND d.lease_until - d.beat_at < n.up
            OR d.is_dead AND d.lease_until < n.clock - interval '1 hour')
        OR EXISTS (SELECT FROM crmd.lease l
            WHERE NOT EXISTS (SELECT FROM crmd.daemon d WHERE d.id = l.daemon_id AND NOT d.is_dead)) AS reaping,
    EXISTS (SELECT FROM crmd.daemon d WHERE NOT d.is_dead AND d.lease_until >= n.clock
            AND n.clock - d.beat_at > (d.lease_until - d.beat_at) / 2) AS ailing,
    EXISTS (SELECT FROM crmd.daemon d
        WHERE NOT d.is_dead AND d.lease_until >= n.clock AND d.stopping_at IS NOT NULL) AS draining,
    EXISTS (SELECT FROM crmd.job j WHERE j.held = 'suspect' AND j.run_at <= n.clock) AS suspects,
    EXISTS (SELECT FROM crmd.quarantine q WHERE q.probe_at <= n.clock) AS probing,
    EXISTS (SELECT FROM crmd.projection p WHERE p.name = ANY ($1)
            AND (p.state <> 'live' OR p.seq < (SELECT s.last_value FROM crmd.event_seq s WHERE s.is_called))) AS projecting,
    EXISTS (SELECT FROM crmd.waiting w WHERE NOT w.is_sure AND w.event IS NULL)
        OR EXISTS (SELECT FROM crmd.waiting w WHERE w.event IS NOT NULL) AS resuming,
    EXISTS (SELECT FROM crmd.job j WHERE j.follows IS NOT NULL)
        OR EXISTS (SELECT FROM crmd.job j WHERE j.expires_at <= n.clock AND j.expires_at IS NOT NULL AND j.started_at IS NULL)
        OR EXISTS (SELECT FROM crmd.job j WHERE j.held = 'unknown') AS letting_go,
    EXISTS (SELECT FROM crmd.effect e WHERE e.state = 'handed_over' AND NOT EXISTS (
                SELECT FROM crmd.lease l WHERE l.id = e.job_id AND l.fence = e.fence AND l.claim_id = e.claim_id))
        OR EXISTS (SELECT FROM crmd.job j WHERE j.held = 'reconcile') AS reconciling,
    EXISTS (SELECT FROM crmd.tuning) OR EXISTS (SELECT FROM crmd.quarantine)
        OR EXISTS (SELECT FROM crmd.job_type t WHERE t.relaned_to IS NOT NULL) AS tuning,
    EXISTS (SELECT FROM crmd.watching w WHERE w.expires_at > n.clock) AS watched,
    (SELECT extract(epoch FROM min(greatest(d.lease_until - n.clock, d.lease_until - d.beat_at - n.up)))::float8
        FROM crmd.daemon d
        WHERE NOT d.is_dead AND (d.lease_until >= n.clock OR d.lease_until - d.beat_at >= n.up)) AS ends_seconds
FROM (SELECT crmd.clock() AS clock, clock_timestamp() - pg_postmaster_start_time() AS up) n
