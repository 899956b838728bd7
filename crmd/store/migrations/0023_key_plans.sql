-- Keys that cost the same however many are held. What looks for rows by their keys and ids is planned once in a session,
-- and for tables of any size: a plan that was made while crmd.unique_key was empty read all of it for each later enqueue,
-- 4 ms with 20,000 keys, until the next vacuum. What the function calls is planned so, too.
ALTER FUNCTION crmd.enqueue_keyed(crmd.job_type, crmd.job, crmd.enqueue_rule, jsonb [], text [])
SET plan_cache_mode = 'force_generic_plan' SET enable_bitmapscan = 'off' SET enable_seqscan = 'off';
