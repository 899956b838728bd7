-- Locks leases in order of their ids, as crmd.cancel does, until the transaction ends: whoever has to lock several and
-- takes them as its statements come to them can meet a cancel half-way.
-- $1 uuid[]: ids. Index: lease_pkey.
SELECT FROM crmd.lease l WHERE l.id = ANY ($1) ORDER BY l.id FOR UPDATE
