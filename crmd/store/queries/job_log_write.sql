-- Keeps what jobs have logged, and drops the oldest of each beyond the bound.
-- $1 uuid[]: jobs  $2 int[]: attempts  $3 int[]: bytes  $4 jsonb[]: lines  $5 int: bytes kept of one job
-- Index: job_log_pkey. What this statement adds is not yet seen by its own look back, so it is counted apart.
WITH added AS (
    INSERT INTO crmd.job_log (job_id, attempt, bytes, lines)
    SELECT s.job_id, s.attempt, s.bytes, s.lines
    FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::jsonb[]) AS s(job_id, attempt, bytes, lines)
    RETURNING job_id, bytes
), fresh AS (
    SELECT job_id, sum(bytes) AS bytes FROM added GROUP BY job_id
), kept AS (
    SELECT l.job_id, l.id, f.bytes + sum(l.bytes) OVER (PARTITION BY l.job_id ORDER BY l.id DESC) AS newer_bytes
    FROM fresh f JOIN crmd.job_log l ON l.job_id = f.job_id
)
DELETE FROM crmd.job_log l USING kept k WHERE l.job_id = k.job_id AND l.id = k.id AND k.newer_bytes > $5
