-- Ends the present life of every daemon, in the transaction of a migration that breaks with what they know. Their leases
-- are given back in the same transaction, so that the reaper finds none and counts no crash.
-- No parameters. crmd.daemon has a row per daemon.
UPDATE crmd.daemon SET is_dead = true WHERE NOT is_dead RETURNING id
