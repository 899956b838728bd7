-- Keeps the figures of the fleet for all daemons.
-- $1 timestamptz: gathered at  $2 timestamptz: counted up to  $3 jsonb: jobs enqueued by type  $4 jsonb: events by family
-- $5 jsonb: the rest
INSERT INTO crmd.figures (gathered_at, counted_to, enqueued, emitted, fleet) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (is_only) DO UPDATE SET gathered_at = excluded.gathered_at, counted_to = excluded.counted_to,
    enqueued = excluded.enqueued, emitted = excluded.emitted, fleet = excluded.fleet
