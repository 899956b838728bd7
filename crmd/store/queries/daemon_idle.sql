-- Says which queues of a daemon wait for a wake-up, so that whoever enqueues knows whether to send one.
-- $1 uuid: daemon id  $2 text[]: the idle queues. Index: daemon_pkey.
UPDATE crmd.daemon SET idle_queues = $2 WHERE id = $1 AND idle_queues <> $2
