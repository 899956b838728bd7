-- Ids of events between two bounds, two at the most: enough to see whether a beginning of an id fits one only.
-- $1 uuid: first  $2 uuid: last. Index: event_pkey.
SELECT e.id FROM crmd.event e WHERE e.id BETWEEN $1 AND $2 LIMIT 2
