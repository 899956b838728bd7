-- Enqueues a job per payload, with the defaults of its type. See crmd.enqueue_many for the parameters.
-- $1 text: type or alias  $2 jsonb[]: payloads  $3 uuid: workspace  $4 uuid: user  $5 timestamptz: due, NULL now
-- $6 text: priority  $7 text: queue  $8 text[]: unique keys  $9 uuid: parent  $10 int: max attempts  $11 jsonb: meta
SELECT id, is_new FROM crmd.enqueue_many($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ORDER BY place
