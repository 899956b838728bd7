-- How many jobs stand where, and how many ended within 24 hours; with the time of asking. No parameters.
-- Reads the waiting and running jobs whole, to count them. Index: ended_hour_pkey, ended_minute_pkey, archive_finished.
SELECT c.now, w.pending, w.scheduled, w.held, (SELECT count(*) FROM crmd.lease) AS running, w.oldest_due_at,
    e.completed, e.failed, e.cancelled
FROM (SELECT crmd.clock() AS now) c CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE j.held IS DISTINCT FROM 'children' AND j.held IS DISTINCT FROM 'gather' AND j.run_at <= c.now) AS pending,
        count(*) FILTER (WHERE j.held IS DISTINCT FROM 'children' AND j.held IS DISTINCT FROM 'gather' AND j.run_at > c.now) AS scheduled,
        count(*) FILTER (WHERE j.held IS NOT NULL) AS held,
        min(j.run_at) FILTER (WHERE j.held IS NULL AND j.run_at <= c.now) AS oldest_due_at
    FROM crmd.job j) w CROSS JOIN LATERAL (
    SELECT coalesce(sum(h.jobs) FILTER (WHERE h.status = 'completed'), 0)::bigint AS completed,
        coalesce(sum(h.jobs) FILTER (WHERE h.status IN ('failed', 'dead')), 0)::bigint AS failed,
        coalesce(sum(h.jobs) FILTER (WHERE h.status = 'cancelled'), 0)::bigint AS cancelled
    FROM crmd.ended_by_hour h
    WHERE h.measure = 'jobs' AND h.ended_at >= date_trunc('hour', c.now - interval '23 hours')) e
