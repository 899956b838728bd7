-- Lets the jobs go on that were held for effects which are unknown no longer. Run when one is resolved, and now and
-- then for a job that was just about to be held at that moment. Nobody is waited for: a row that is locked comes next
-- time.
-- No parameters. Index: job_reconcile, effect_open.
WITH free AS (
    SELECT j.id FROM crmd.job j
    WHERE j.held = 'reconcile'
      AND j.id NOT IN (SELECT w.job_id FROM crmd.effect e, unnest(e.waiting) AS w(job_id) WHERE e.state = 'unknown')
    ORDER BY j.id
    FOR UPDATE OF j SKIP LOCKED
), released AS (
    UPDATE crmd.job j SET held = NULL FROM free WHERE j.id = free.id RETURNING j.queue
), woken AS (
    SELECT crmd.wake(queue) FROM (SELECT DISTINCT queue FROM released) q
)
SELECT (SELECT count(*) FROM released)::integer AS released, (SELECT count(*) FROM woken) AS woken
