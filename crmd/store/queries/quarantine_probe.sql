-- Lets one job of each quarantined plugin try whose time has come: a job that waits becomes a suspect, which runs alone.
-- Whoever takes the turn moves the next one on, so that one job tries over all daemons.
-- $1 text[]: job types that this daemon knows  $2 float8: seconds until the next probe if nobody tells how it went
-- Index: quarantine_pkey, job_suspect, then the job types' jobs by queue.
WITH chance AS (
    SELECT q.plugin, p.id FROM crmd.quarantine q CROSS JOIN LATERAL (
        SELECT j.id FROM crmd.job j JOIN crmd.job_type t ON t.name = j.type
        WHERE t.plugin = q.plugin AND j.type = ANY ($1) AND (j.held IS NULL OR j.held = 'suspect')
          AND j.run_at <= (SELECT crmd.clock())
        ORDER BY j.rank_at, j.id LIMIT 1 FOR UPDATE OF j SKIP LOCKED) p
    WHERE q.probe_at <= (SELECT crmd.clock()) FOR UPDATE OF q SKIP LOCKED
), suspected AS (
    UPDATE crmd.job j SET held = 'suspect' FROM chance c WHERE j.id = c.id AND j.held IS NULL
)
UPDATE crmd.quarantine q SET probe_job = c.id, probes = q.probes + 1,
    probe_at = (SELECT crmd.clock()) + make_interval(secs => $2)
FROM chance c WHERE q.plugin = c.plugin
RETURNING q.plugin, q.probe_job
