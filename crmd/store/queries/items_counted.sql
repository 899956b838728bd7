-- How many items a job has booked in its earlier attempts, by outcome and reason, most frequent first.
-- $1 uuid: job id. Index: item_pkey.
SELECT i.outcome, i.reason, count(*) AS items FROM crmd.item i WHERE i.job_id = $1 GROUP BY 1, 2 ORDER BY 3 DESC
