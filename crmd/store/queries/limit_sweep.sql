-- Forgets buckets that have been full for a while; a full bucket and no bucket are the same.
-- $1 seconds since then, float8. Buckets are one per account: a scan is fine.
DELETE FROM crmd.bucket WHERE tat < (SELECT crmd.clock()) - make_interval(secs => $1::float8)
  AND (slowed_at IS NULL OR slowed_at < (SELECT crmd.clock()) - make_interval(secs => $1::float8))
