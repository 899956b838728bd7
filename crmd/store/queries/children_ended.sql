-- What became of jobs that are over. Those that a job started ended after it began.
-- $1 uuid[]: ids  $2 timestamptz: when the oldest of them can have ended. Index: archive_pkey.
SELECT a.id, a.status, a.result::text AS result, a.errors -> -1 ->> 'message' AS error
FROM crmd.archive a WHERE a.id = ANY ($1) AND a.finished_at >= $2
