-- Marks that a daemon drains. $1 uuid: daemon id. Index: daemon_pkey.
UPDATE crmd.daemon SET stopping_at = crmd.clock() WHERE id = $1
