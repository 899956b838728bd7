-- Cancels jobs and those below them, in order of their ids; see crmd.cancel. Answers what became of each.
-- $1 uuid[]: jobs  $2 text: reason
SELECT j.id, crmd.cancel(j.id, $2) AS answer FROM (SELECT unnest($1::uuid[]) AS id ORDER BY 1) j
