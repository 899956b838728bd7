-- Renews every lease of a daemon at once, by renewing the daemon. No row: it was declared dead, its leases are gone.
-- $1 uuid: daemon id  $2 float8: lease seconds
-- Answers the jobs it is asked to cancel. Index: daemon_pkey, lease_cancel.
UPDATE crmd.daemon d SET beat_at = n.clock, lease_until = n.clock + make_interval(secs => $2)
FROM (SELECT crmd.clock() AS clock) n
WHERE d.id = $1 AND NOT d.is_dead
RETURNING ARRAY(SELECT l.id FROM crmd.lease l WHERE l.daemon_id = d.id AND l.cancel_requested_at IS NOT NULL) AS cancels
