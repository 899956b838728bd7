-- Gives back the unique keys of scope "waiting" once their jobs have started. A key that an enqueuer is just changing is
-- left to it, since a claim waits for nobody's transaction.
-- $1 uuid[]: ids of jobs just claimed, $2 text[]: their keys. Index: unique_key_pkey.
DELETE FROM crmd.unique_key WHERE key = ANY (ARRAY(
    SELECT u.key FROM unnest($1::uuid[], $2::text[]) AS s(id, key)
    JOIN crmd.unique_key u ON u.key = s.key AND u.job_id = s.id
    WHERE u.scope = 'waiting' FOR UPDATE OF u SKIP LOCKED))
