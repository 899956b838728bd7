-- Which of some items a job need not be handed: those that it has booked, and, when it runs the failed items of another
-- job again, all that this one did not book as failed.
-- $1 uuid: job id  $2 text[]: items  $3 uuid: the other job, or NULL. Index: item_pkey.
SELECT n.item FROM unnest($2::text[]) AS n(item)
WHERE EXISTS (SELECT FROM crmd.item i WHERE i.job_id = $1 AND i.item = n.item)
   OR $3::uuid IS NOT NULL
  AND NOT EXISTS (SELECT FROM crmd.item i WHERE i.job_id = $3 AND i.item = n.item AND i.outcome = 'failed')
