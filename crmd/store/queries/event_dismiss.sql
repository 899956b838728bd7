-- Lets a parked event be: its handler is not told of it, and what waits behind it in order goes on.
-- $1 text: handler  $2 uuid: event. Index: delivery_pkey.
DELETE FROM crmd.delivery d WHERE d.handler = $1 AND d.event_id = $2 RETURNING d.event_id
