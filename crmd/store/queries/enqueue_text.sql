-- As enqueue.sql, for connections whose codecs are unknown: payloads and meta come as text.
-- Of jobs that may have no keys, where `answers` is NULL, only the first id: those of a batch follow one another.
-- $2 text: payloads, with U+001E between them  $11 text: meta  the others as in enqueue.sql
SELECT ids, answers FROM crmd.enqueue_batch($1, NULL, $3, $4, $5, $6, $7, $8, $9, $10,
    ($11::text)::jsonb, $12, $13, $14, $15, $16, $17, $18, $19, $20, is_after_any => $21, joined => $2)
