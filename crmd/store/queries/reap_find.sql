-- Leases whose daemon is dead or gone, by id; age is never evidence. Names the claim it read, so that a lease that was
-- claimed anew in between is left alone.
-- $1 uuid: the last id of the page before  $2 int: how many. Index: lease_pkey, daemon_pkey.
SELECT l.id, l.fence, l.claim_id, l.attempt, l.max_attempts, l.crash_count, l.type, l.is_alone,
    l.cancel_requested_at IS NOT NULL AS is_cancel_requested
FROM crmd.lease l
WHERE l.id > $1 AND NOT EXISTS (SELECT FROM crmd.daemon d WHERE d.id = l.daemon_id AND NOT d.is_dead)
ORDER BY l.id LIMIT $2
