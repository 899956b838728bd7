-- Notes that a key is in use; once a minute is enough. $1 text: id. Index: api_key_pkey.
UPDATE crmd.api_key SET last_used_at = crmd.clock()
WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < crmd.clock() - interval '1 minute')
