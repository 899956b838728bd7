-- Keeps what a consent that has begun needs to end; the key cannot be one of a caller's, which are printable.
-- $1 uuid: workspace  $2 text: key  $3 jsonb: sealed. Index: api_answer_pkey. Rows go after a day: see api_answer_put.sql.
INSERT INTO crmd.api_answer (workspace_id, key, fingerprint, status, body) VALUES ($1, $2, '', 0, $3)
