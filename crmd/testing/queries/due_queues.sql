-- The queues that have due jobs, and whether of those some need no key and some do. No parameters.
SELECT queue, bool_or(lane IS NULL) AS is_free, bool_or(lane IS NOT NULL) AS is_limited
FROM crmd.job WHERE held IS NULL AND run_at <= (SELECT crmd.clock()) GROUP BY queue ORDER BY queue
