-- How many more jobs each key lets start now, and why it lets none: an operator's pause, a closed gate, or its limit less
-- the leases that hold it. NULL: any number. Claims decide by the same figures, in crmd.claim_lanes.
-- $1 text[]: keys, those of a lane and the implied ones (type:<name>, workspace/<id>, queue:<name>)
-- $2 text[], $3 int[]: names of limits that count inside this daemon, and what is free of them
-- Index: none; crmd.lease is as small as the work in hand.
WITH wanted AS (
    SELECT DISTINCT k.key, split_part(k.key, '/', 1) AS name FROM unnest($1::text[]) AS k(key)
), held AS (
    SELECT k.key, count(*)::integer AS running
    FROM crmd.lease e CROSS JOIN LATERAL unnest(string_to_array(e.lane, ' ')) AS k(key)
    WHERE e.lane IS NOT NULL GROUP BY k.key
)
SELECT w.key,
    CASE WHEN p.key IS NOT NULL OR g.key IS NOT NULL THEN 0
         WHEN o.name IS NOT NULL THEN o.free
         WHEN coalesce(te.max, tn.max, c.max) IS NOT NULL
             THEN greatest(coalesce(te.max, tn.max, c.max) - coalesce(h.running, 0), 0) END AS room,
    CASE WHEN p.key IS NOT NULL THEN coalesce(p.pause_reason, 'paused') ELSE g.reason END AS reason,
    extract(epoch FROM nullif(coalesce(p.paused_until, g.closed_until), 'infinity') - (SELECT crmd.clock()))::float8
        AS wait_seconds,
    coalesce(te.max, tn.max, c.max) AS max, coalesce(h.running, 0) AS running
FROM wanted w
LEFT JOIN crmd.tuning p ON p.key = w.key AND p.paused_until > (SELECT crmd.clock())
LEFT JOIN crmd.gate g ON g.key = w.key AND g.closed_until > (SELECT crmd.clock())
LEFT JOIN crmd.concurrency c ON c.name = w.name AND NOT c.is_local
LEFT JOIN crmd.tuning te ON te.key = w.key AND te.max IS NOT NULL
LEFT JOIN crmd.tuning tn ON tn.key = w.name AND tn.max IS NOT NULL
LEFT JOIN unnest($2::text[], $3::integer[]) AS o(name, free) ON o.name = w.name
LEFT JOIN held h ON h.key = w.key
