-- Each limit, and each key that an operator has set or paused or whose gate is closed, for the operator: what it allows,
-- what runs and waits. A limit that counts per value is listed with its fullest value. No parameters.
-- Reads the waiting and running jobs whole, to count them by lane; Index: none.
WITH held AS (
    SELECT k.key, sum(l.running) AS running, sum(l.waiting) AS waiting FROM (
        SELECT lane, count(*) AS running, 0 AS waiting FROM crmd.lease WHERE lane IS NOT NULL GROUP BY lane
        UNION ALL
        SELECT lane, 0, count(*) FROM crmd.job WHERE lane IS NOT NULL AND held IS NULL GROUP BY lane) l
    CROSS JOIN LATERAL unnest(string_to_array(l.lane, ' ')) AS k(key) GROUP BY k.key
), listed AS (
    SELECT name AS key FROM crmd.concurrency UNION SELECT key FROM crmd.tuning
    UNION SELECT key FROM crmd.gate WHERE closed_until > (SELECT crmd.clock())
), summed AS (
    SELECT l.key, sum(h.running) AS running, sum(h.waiting) AS waiting, max(h.running) AS fullest,
        count(*) FILTER (WHERE h.key <> l.key) AS values
    FROM listed l JOIN held h ON h.key = l.key OR split_part(h.key, '/', 1) = l.key GROUP BY l.key
)
SELECT l.key, coalesce(te.max, tn.max, c.max) AS max, coalesce(te.max, tn.max) IS NOT NULL AS is_set, c.floor,
    coalesce(s.running, 0)::bigint AS running, coalesce(s.waiting, 0)::bigint AS waiting, s.fullest::bigint AS fullest,
    coalesce(s.values, 0) AS values, te.weight, te.reason,
    coalesce(te.paused_until > (SELECT crmd.clock()), false) OR g.key IS NOT NULL AS is_closed,
    CASE WHEN te.paused_until > (SELECT crmd.clock()) THEN te.pause_reason ELSE g.reason END AS why_closed,
    nullif(CASE WHEN te.paused_until > (SELECT crmd.clock()) THEN te.paused_until ELSE g.closed_until END, 'infinity')
        AS closed_until
FROM listed l
LEFT JOIN crmd.concurrency c ON c.name = split_part(l.key, '/', 1)
LEFT JOIN crmd.tuning te ON te.key = l.key
LEFT JOIN crmd.tuning tn ON tn.key = split_part(l.key, '/', 1)
LEFT JOIN crmd.gate g ON g.key = l.key AND g.closed_until > (SELECT crmd.clock())
LEFT JOIN summed s ON s.key = l.key
WHERE NOT l.key LIKE 'queue:%' OR c.max IS NOT NULL
ORDER BY l.key
