-- Notes the crash of a job's process. A plugin of which so many jobs crashed within the time is quarantined: its jobs
-- wait. One that is already waits twice as long until its next probe. Answers whether it was quarantined just now.
-- $1 text: plugin  $2 uuid: job  $3 text: how it ended  $4 text: version of the plugin  $5 int: how many jobs
-- $6 float8: within how many seconds  $7 float8: seconds until the first probe
-- Index: crash_plugin, quarantine_pkey.
WITH noted AS (
    INSERT INTO crmd.crash (plugin, job_id, crashed_at, reason) VALUES ($1, $2, crmd.clock(), $3)
), recent AS (
    SELECT count(*) AS jobs FROM (
        SELECT c.job_id FROM crmd.crash c
        WHERE c.plugin = $1 AND c.crashed_at > (SELECT crmd.clock()) - make_interval(secs => $6::float8)
        UNION SELECT $2) distinct_jobs
)
INSERT INTO crmd.quarantine AS q (plugin, version, reason, quarantined_at, probe_at)
SELECT $1, $4, $3, n.clock, n.clock + make_interval(secs => $7::float8)
FROM recent r, (SELECT crmd.clock() AS clock) n
WHERE r.jobs >= $5::integer OR EXISTS (SELECT FROM crmd.quarantine k WHERE k.plugin = $1)
ON CONFLICT (plugin) DO UPDATE SET reason = excluded.reason, probe_job = NULL,
    probe_at = (SELECT crmd.clock()) + make_interval(secs => least($7::float8 * 2 ^ least(q.probes, 10), 86400))
RETURNING xmax = 0 AS is_new, extract(epoch FROM probe_at - (SELECT crmd.clock()))::float8 AS probe_seconds
