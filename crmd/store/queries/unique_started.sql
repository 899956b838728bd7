-- Gives back the unique keys of scope "waiting" once their jobs have started.
-- $1 uuid[]: ids of jobs just claimed, $2 text[]: their keys. Index: unique_key_pkey.
DELETE FROM crmd.unique_key u USING unnest($1::uuid[], $2::text[]) AS s(id, key)
WHERE u.key = s.key AND u.job_id = s.id AND u.scope = 'waiting'
