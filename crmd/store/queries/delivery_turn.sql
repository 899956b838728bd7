-- How long an event has to wait for the one before it of the same aggregate. See crmd.delivery_turn.
-- $1 text: handler  $2 uuid: event  $3 timestamptz: when it was emitted
SELECT crmd.delivery_turn($1, $2, $3)
