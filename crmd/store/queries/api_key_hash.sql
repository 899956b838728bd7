-- What a key's secret is compared with: always one value, so that an answer about an id that nobody has takes as long as
-- one about a secret that is wrong. $1 text: id  $2 bytea: of nobody. Index: api_key_pkey.
SELECT coalesce((SELECT k.secret_hash FROM crmd.api_key k WHERE k.id = $1), $2)
