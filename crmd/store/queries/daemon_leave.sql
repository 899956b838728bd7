-- Takes a daemon off the list, when it ends in order and holds no lease any more.
-- $1 uuid: daemon id. Index: daemon_pkey.
DELETE FROM crmd.daemon d WHERE d.id = $1 AND NOT EXISTS (SELECT FROM crmd.lease l WHERE l.daemon_id = $1)
