-- Types of jobs that run in daemons which are late with their renewals, so that whoever may have to take them over is
-- ready for it. Late: half of the lease is gone; a renewal comes after each third of it.
-- $1 uuid: the daemon that asks. Index: daemon_pkey; crmd.lease is as small as the work in hand.
SELECT DISTINCT l.type FROM crmd.lease l JOIN crmd.daemon d ON d.id = l.daemon_id, (SELECT crmd.clock() AS clock) n
WHERE NOT d.is_dead AND d.id <> $1 AND n.clock - d.beat_at > (d.lease_until - d.beat_at) / 2
