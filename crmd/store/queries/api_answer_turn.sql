-- Lets one request with this key through at a time, until the transaction ends. $1 uuid: workspace  $2 text: key
SELECT pg_advisory_xact_lock(hashtextextended('crmd.api_answer ' || $1::uuid::text || ' ' || $2::text, 0))
