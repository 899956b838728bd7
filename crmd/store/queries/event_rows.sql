-- Events as handlers get them, as JSON text, in the order of their emission: those that this transaction has written.
-- $1 uuid[]: ids. Index: event_pkey; those of older days are not looked at, since these are new.
SELECT crmd.event_json(e)::text AS event FROM crmd.event e
WHERE e.id = ANY ($1) AND e.emitted_at >= (SELECT crmd.clock()) - interval '1 day' ORDER BY e.seq
