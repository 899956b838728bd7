-- Writes an event per item of data, and all that follows from them in this transaction: see crmd.record_events.
-- Answers their ids in order.
-- $1 text: event type  $2 jsonb[]: data  $3 uuid: workspace  $4 uuid: user  $5 text: aggregate type
-- $6 text[]: aggregate ids  $7 jsonb: metadata
SELECT e.id FROM crmd.emit_many($1, $2, $3, $4, $5, $6, $7) e (id)
