-- Makes every claim of daemons worthless, on the first connections after a failover and before anything else: what their
-- jobs wrote last may be lost, so nothing that builds on it may be written. Repeating it does no harm.
-- $1 uuid[]: daemon ids. Reads the whole of crmd.lease, which is as small as the work in hand.
UPDATE crmd.lease SET claim_id = gen_random_uuid() WHERE daemon_id = ANY ($1)
