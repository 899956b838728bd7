-- Forgets what belongs to jobs that retention has dropped, a bounded number of rows; answers how many.
-- Ids sort by time, so everything of jobs older than retention lies before one bound; unfinished jobs are spared.
-- $1 int: days  $2 int: rows at most of each kind
-- Schedules that are done stay as long as ended jobs do.
-- Index: item_pkey, family_pkey, step_pkey, waiting_pkey, dependency_job, schedule_done; crmd.unique_key and crmd.bucket are read whole.
WITH bound AS (
    SELECT crmd.oldest_id($1) AS id
), items AS (
    DELETE FROM crmd.item WHERE (job_id, item) IN (
        SELECT i.job_id, i.item FROM crmd.item i, bound b
        WHERE i.job_id < b.id AND NOT EXISTS (SELECT FROM crmd.job j WHERE j.id = i.job_id)
          AND NOT EXISTS (SELECT FROM crmd.lease l WHERE l.id = i.job_id) LIMIT $2)
    RETURNING 1
), families AS (
    DELETE FROM crmd.family WHERE parent_id IN (
        SELECT f.parent_id FROM crmd.family f, bound b
        WHERE f.parent_id < b.id AND NOT EXISTS (SELECT FROM crmd.job j WHERE j.id = f.parent_id)
          AND NOT EXISTS (SELECT FROM crmd.lease l WHERE l.id = f.parent_id) LIMIT $2)
    RETURNING 1
), stale AS MATERIALIZED ( -- their time is over; or their job is, and an enqueuer that gave up kept it from freeing them
    SELECT u.key, u.job_id, u.expires_at FROM crmd.unique_key u
    WHERE u.expires_at < (SELECT crmd.clock()) OR (u.expires_at = 'infinity'
        AND NOT EXISTS (SELECT FROM crmd.job j WHERE j.id = u.job_id)
        AND NOT EXISTS (SELECT FROM crmd.lease l WHERE l.id = u.job_id)) LIMIT $2
), keys AS (
    DELETE FROM crmd.unique_key WHERE key = ANY (ARRAY( -- unless another job has just taken one
        SELECT u.key FROM stale s JOIN crmd.unique_key u USING (key, job_id, expires_at) FOR UPDATE OF u SKIP LOCKED))
    RETURNING 1
), buckets AS (
    DELETE FROM crmd.bucket WHERE name IN (
        SELECT k.name FROM crmd.bucket k WHERE k.tat < (SELECT crmd.clock()) - interval '1 day' LIMIT $2)
    RETURNING 1
), steps AS (
    DELETE FROM crmd.step WHERE (job_id, name) IN (
        SELECT s.job_id, s.name FROM crmd.step s, bound b
        WHERE s.job_id < b.id AND NOT EXISTS (SELECT FROM crmd.job j WHERE j.id = s.job_id)
          AND NOT EXISTS (SELECT FROM crmd.lease l WHERE l.id = s.job_id)
          AND NOT EXISTS (SELECT FROM crmd.archive a WHERE a.id = s.job_id) LIMIT $2)
    RETURNING 1
), waits AS (
    DELETE FROM crmd.waiting WHERE (job_id, step) IN (
        SELECT w.job_id, w.step FROM crmd.waiting w
        WHERE NOT EXISTS (SELECT FROM crmd.job j WHERE j.id = w.job_id)
          AND NOT EXISTS (SELECT FROM crmd.lease l WHERE l.id = w.job_id) LIMIT $2)
    RETURNING 1
), dependencies AS (
    DELETE FROM crmd.dependency WHERE (after_id, job_id) IN (
        SELECT d.after_id, d.job_id FROM crmd.dependency d, bound b
        WHERE d.job_id < b.id AND NOT EXISTS (SELECT FROM crmd.job j WHERE j.id = d.job_id)
          AND NOT EXISTS (SELECT FROM crmd.lease l WHERE l.id = d.job_id) LIMIT $2)
    RETURNING 1
), schedules AS (
    DELETE FROM crmd.schedule WHERE id IN (
        SELECT s.id FROM crmd.schedule s
        WHERE s.done_at < (SELECT crmd.clock()) - make_interval(days => $1) LIMIT $2)
    RETURNING 1
)
SELECT greatest((SELECT count(*) FROM items), (SELECT count(*) FROM families), (SELECT count(*) FROM keys),
    (SELECT count(*) FROM buckets), (SELECT count(*) FROM schedules), (SELECT count(*) FROM steps),
    (SELECT count(*) FROM waits), (SELECT count(*) FROM dependencies))::integer
