-- Writes an event per item of data, and the jobs that its type triggers.
-- $1 text: event type  $2 jsonb[]: data  $3 uuid: workspace  $4 uuid: user  $5 text: aggregate type
-- $6 text[]: aggregate ids  $7 jsonb: metadata
SELECT count(*) FROM crmd.emit_many($1, $2, $3, $4, $5, $6, $7)
