-- Forgets messages whose events retention has dropped, and secrets whose time is over, a bounded number; answers how many.
-- $1 int: days that events are kept  $2 int: rows at most. Index: webhook_delivery_pkey, since ids sort by time.
WITH secrets AS (
    DELETE FROM crmd.webhook_secret WHERE expires_at <= (SELECT crmd.clock())
), gone AS (
    DELETE FROM crmd.webhook_delivery WHERE id IN (
        SELECT d.id FROM crmd.webhook_delivery d WHERE d.id < (SELECT crmd.oldest_id($1)) ORDER BY d.id LIMIT $2)
    RETURNING 1
)
SELECT count(*)::integer FROM gone
