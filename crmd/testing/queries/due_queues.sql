-- The queues that have due jobs, whether of those some need no key and some do, and which are suspects. No parameters.
SELECT queue, coalesce(bool_or(lane IS NULL) FILTER (WHERE held IS NULL), false) AS is_free,
    coalesce(bool_or(lane IS NOT NULL) FILTER (WHERE held IS NULL), false) AS is_limited,
    array_agg(id) FILTER (WHERE held = 'suspect') AS suspects
FROM crmd.job WHERE (held IS NULL OR held = 'suspect') AND run_at <= (SELECT crmd.clock()) GROUP BY queue ORDER BY queue
