-- Keeps an answer, and forgets those of yesterday, a few at a time.
-- $1 uuid: workspace  $2 text: key  $3 bytea: fingerprint  $4 int: status  $5 jsonb: body
-- Index: api_answer_pkey, api_answer_created.
WITH old AS (
    DELETE FROM crmd.api_answer WHERE ctid = ANY (ARRAY(
        SELECT a.ctid FROM crmd.api_answer a WHERE a.created_at < crmd.clock() - interval '24 hours'
        ORDER BY a.created_at LIMIT 20 FOR UPDATE SKIP LOCKED))
)
INSERT INTO crmd.api_answer (workspace_id, key, fingerprint, status, body) VALUES ($1, $2, $3, $4, $5)
