-- Notes how an action went. $1 uuid: the row  $2 text: 'done', or the sentence of the error  $3 jsonb: details to add
-- Index: audit_pkey.
UPDATE crmd.audit SET outcome = $2, ended_at = crmd.clock(), details = details || coalesce($3::jsonb, '{}')
WHERE id = $1 AND outcome IS NULL
