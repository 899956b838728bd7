-- Declares daemons dead whose lease has run out, for good: a renewal after this finds no row, so that the daemon learns
-- that its leases are gone. Also forgets dead daemons without leases after an hour.
-- After a restart of the server every daemon has the time of a lease anew: while it was down nobody could renew, and
-- an outage must not be counted as a crash of the jobs.
-- No parameters. crmd.daemon has a row per daemon.
WITH dead AS (
    UPDATE crmd.daemon SET is_dead = true WHERE id = ANY (ARRAY(
        SELECT d.id FROM crmd.daemon d WHERE NOT d.is_dead AND d.lease_until < (SELECT crmd.clock())
          AND clock_timestamp() - pg_postmaster_start_time() > d.lease_until - d.beat_at
        FOR UPDATE SKIP LOCKED))
    RETURNING id
), forgotten AS (
    DELETE FROM crmd.daemon d WHERE d.is_dead AND d.lease_until < (SELECT crmd.clock()) - interval '1 hour'
      AND NOT EXISTS (SELECT FROM crmd.lease l WHERE l.daemon_id = d.id)
)
SELECT id FROM dead
