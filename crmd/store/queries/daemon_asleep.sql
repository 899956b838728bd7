-- Says whether a daemon waits for a wake-up, so that whoever enqueues knows whether to send one.
-- $1 uuid: daemon id  $2 bool: whether it sleeps. Index: daemon_pkey.
UPDATE crmd.daemon SET is_asleep = $2 WHERE id = $1 AND is_asleep <> $2
