-- How many more jobs each lane may start now: for every key of the lane, its limit less the leases that hold the key.
-- A lane with a closed gate, or a key that is full, has none. Answers one row per lane and key.
-- $1 text[]: lanes  $2 text[], $3 int[]: names of limits that count inside this daemon, and what is free of them
-- Index: none; crmd.lease is as small as the work in hand.
WITH wanted AS (
    SELECT l.lane, k.key, split_part(k.key, '/', 1) AS name
    FROM unnest($1::text[]) AS l(lane) CROSS JOIN LATERAL unnest(string_to_array(l.lane, ' ')) AS k(key)
), held AS (
    SELECT k.key, count(*)::integer AS running
    FROM crmd.lease e CROSS JOIN LATERAL unnest(string_to_array(e.lane, ' ')) AS k(key)
    WHERE e.lane IS NOT NULL GROUP BY k.key
)
SELECT w.lane, w.key,
    CASE WHEN g.key IS NOT NULL THEN 0
         WHEN o.free IS NOT NULL THEN o.free
         WHEN c.max IS NULL OR c.is_local THEN NULL
         ELSE greatest(c.max - coalesce(h.running, 0), 0) END AS room
FROM wanted w
LEFT JOIN crmd.gate g ON g.key = w.key AND g.closed_until > (SELECT crmd.clock())
LEFT JOIN crmd.concurrency c ON c.name = w.name
LEFT JOIN unnest($2::text[], $3::integer[]) AS o(name, free) ON o.name = w.name
LEFT JOIN held h ON h.key = w.key
