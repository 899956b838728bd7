-- The generations that have not come as far as the order is settled, those first that are furthest behind.
-- $1 bigint: settled seq  $2 text[]: projections loaded here. Index: none; there are few.
SELECT p.name, p.generation, p.state, p.version FROM crmd.projection p
WHERE p.name = ANY ($2) AND (p.retry_at IS NULL OR p.retry_at <= (SELECT crmd.clock()))
  AND (p.state = 'old' OR p.seq < $1 OR p.state = 'building')
ORDER BY p.seq, p.name
