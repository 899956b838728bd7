-- Each queue that is configured, that a daemon works for or a job type names, for the operator.
-- $1 text[]: those that are configured. Reads the waiting and running jobs whole, to count them; Index: none.
WITH name AS (
    SELECT unnest($1::text[]) AS queue UNION SELECT queue FROM crmd.job_type UNION SELECT unnest(queues) FROM crmd.daemon WHERE NOT is_dead
    UNION SELECT substr(key, 7) FROM crmd.tuning WHERE key LIKE 'queue:%'
), waiting AS (
    SELECT queue, count(*) AS waiting, count(*) FILTER (WHERE run_at <= (SELECT crmd.clock())) AS due,
        min(run_at) AS oldest_at
    FROM crmd.job GROUP BY queue
), running AS (
    SELECT queue, count(*) AS running FROM crmd.lease GROUP BY queue
)
SELECT n.queue, coalesce(r.running, 0) AS running, coalesce(w.due, 0) AS due,
    coalesce(w.waiting, 0) - coalesce(w.due, 0) AS scheduled,
    (SELECT count(*) FROM crmd.daemon d WHERE NOT d.is_dead AND n.queue = ANY (d.queues)) AS daemons,
    t.slots AS slots_set, coalesce(t.max, c.max) AS slots_fleet, t.max AS slots_fleet_set, t.reason,
    coalesce(t.paused_until > (SELECT crmd.clock()), false) AS is_paused, t.pause_reason,
    CASE WHEN t.paused_until > (SELECT crmd.clock()) THEN nullif(t.paused_until, 'infinity') END AS paused_until,
    least(w.oldest_at, (SELECT crmd.clock())) AS oldest_due_at
FROM name n
LEFT JOIN waiting w USING (queue)
LEFT JOIN running r USING (queue)
LEFT JOIN crmd.tuning t ON t.key = 'queue:' || n.queue
LEFT JOIN crmd.concurrency c ON c.name = 'queue:' || n.queue
ORDER BY n.queue
