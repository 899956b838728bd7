-- What the database thinks a daemon runs; compared each minute with what it does run.
-- $1 uuid: daemon id. Reads crmd.lease, which is as small as the work in hand.
SELECT id, fence, claim_id, claimed_at < (SELECT crmd.clock()) - interval '10 seconds' AS is_settled FROM crmd.lease
WHERE daemon_id = $1
