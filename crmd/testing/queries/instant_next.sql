-- The next instant at which something falls due, later than now and not later than $1: a waiting job, a schedule, the
-- end of a daemon's lease, of a gate's closure, of a job's patience; and whether it is but the tick of a schedule.
-- No row: nothing does.
-- $1 timestamptz: how far to look  $2 uuid[]: daemons that renew by themselves
SELECT s.at, s.is_tick FROM (
    SELECT min(run_at) AS at, false AS is_tick FROM crmd.job
    WHERE run_at > (SELECT crmd.clock()) AND isfinite(run_at)
    UNION ALL
    SELECT min(next_due_at), true FROM crmd.schedule
    WHERE NOT is_paused AND error IS NULL AND next_due_at > (SELECT crmd.clock())
    UNION ALL
    SELECT min(lease_until) + interval '1 millisecond', false FROM crmd.daemon
    WHERE NOT is_dead AND id <> ALL ($2) AND lease_until > (SELECT crmd.clock())
    UNION ALL
    SELECT min(closed_until), false FROM crmd.gate WHERE closed_until > (SELECT crmd.clock())
    UNION ALL
    SELECT min(expires_at), false FROM crmd.job WHERE expires_at > (SELECT crmd.clock())
) s WHERE s.at <= $1 ORDER BY s.at, s.is_tick LIMIT 1
