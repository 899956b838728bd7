-- Which suspects are due: jobs that ran when a daemon died, and run alone until they have come through once. Those of a
-- paused type or queue rest, and of a quarantined plugin all but its probe.
-- $1 int: how many at most  $2 text[]: names of the job types that this daemon knows  $3 text[]: its queues
-- Index: job_suspect (rank_at, id).
SELECT j.id, j.lane FROM crmd.job j
WHERE j.held = 'suspect' AND j.run_at <= (SELECT crmd.clock()) AND j.type = ANY ($2) AND j.queue = ANY ($3)
  AND NOT EXISTS (SELECT FROM crmd.tuning p
    WHERE p.key IN ('type:' || j.type, 'queue:' || j.queue) AND p.paused_until > (SELECT crmd.clock()))
  AND NOT EXISTS (SELECT FROM crmd.quarantine q JOIN crmd.job_type t ON t.plugin = q.plugin
    WHERE t.name = j.type AND q.probe_job IS DISTINCT FROM j.id)
ORDER BY j.rank_at, j.id LIMIT $1
