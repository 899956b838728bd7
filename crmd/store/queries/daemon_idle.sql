-- Says whether a queue of a daemon waits for a wake-up, so that whoever enqueues knows whether to send one.
-- $1 uuid: daemon id  $2 text: queue  $3 bool: whether it waits. Index: daemon_pkey.
UPDATE crmd.daemon
SET idle_queues = CASE WHEN $3 THEN array_append(array_remove(idle_queues, $2), $2) ELSE array_remove(idle_queues, $2) END
WHERE id = $1
