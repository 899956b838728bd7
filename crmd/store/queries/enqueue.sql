-- Enqueues a job per payload, with the defaults of its type. See crmd.enqueue_batch for the parameters.
-- $1 text: type or alias  $2 jsonb[]: payloads  $3 uuid: workspace  $4 uuid: user  $5 timestamptz: due, NULL now
-- $6 text: priority  $7 text: queue  $8 text[]: unique keys  $9 uuid: parent  $10 int: max attempts  $11 jsonb: meta
-- $12 text: unique scope  $13 float8: seconds it holds  $14 text: what becomes of a taken key
-- $15 float8: seconds it may be pushed back  $16 float8: seconds until due  $17 timestamptz: lapses
-- $18 float8: seconds after it was due that it lapses  $19 uuid[]: waits for these jobs  $20 int: version of the payload
-- $21 bool: however those end
SELECT ids, answers FROM crmd.enqueue_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
    $17, $18, $19, $20, is_after_any => $21)
