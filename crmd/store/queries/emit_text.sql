-- As emit.sql, with JSON as text, for a connection with whatever codecs.
-- $1 text: event type  $2 text[]: data  $3 uuid: workspace  $4 uuid: user  $5 text: aggregate type
-- $6 text[]: aggregate ids  $7 text: metadata
SELECT e.id FROM crmd.emit_many($1, $2::text[]::jsonb[], $3, $4, $5, $6, $7::text::jsonb) e (id)
