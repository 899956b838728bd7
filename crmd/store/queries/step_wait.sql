-- Waits for an event under the job's token; see crmd.wait_for_event. No row: the lease is lost.
-- $1 uuid: job id  $2 bigint: fence  $3 uuid: claim id  $4 text: name  $5 int: position, or NULL  $6 text: event type
-- $7 text: what its data contain, as JSON  $8 float8: seconds at the most, NULL: for ever
SELECT event::text AS event, seconds FROM crmd.wait_for_event($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8)
