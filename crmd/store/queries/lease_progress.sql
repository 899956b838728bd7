-- Writes the progress of running jobs, at most twice a second each. A row that a transaction of its job holds is left
-- for the next round. Answers the ids that are still ours.
-- $1 uuid[]: ids  $2 bigint[]: fences  $3 uuid[]: claim ids  $4 jsonb[]: progress. Index: lease_pkey.
UPDATE crmd.lease l SET progress = s.progress
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::jsonb[]) AS s(id, fence, claim_id, progress)
WHERE l.id = s.id AND l.fence = s.fence AND l.claim_id = s.claim_id
  AND l.id = ANY (ARRAY(SELECT e.id FROM crmd.lease e WHERE e.id = ANY ($1) FOR NO KEY UPDATE SKIP LOCKED))
RETURNING l.id
