-- The keys that a job's lane is made of, in order: gate, limit, and who holds the key now. Pauses: see explain_job.sql.
-- $1 text: lane  $2 int: how many holders to name
-- crmd.lease is as small as the work in hand.
SELECT k.key, k.place::integer, split_part(k.key, '/', 1) AS name, coalesce(te.max, tn.max, c.max) AS max,
    coalesce(c.is_local, false) AS is_local, g.reason AS gate_reason, nullif(g.closed_until, 'infinity') AS gate_until,
    coalesce(h.running, 0) AS running, h.holders
FROM unnest(string_to_array($1, ' ')) WITH ORDINALITY AS k(key, place)
LEFT JOIN crmd.concurrency c ON c.name = split_part(k.key, '/', 1)
LEFT JOIN crmd.tuning te ON te.key = k.key AND te.max IS NOT NULL
LEFT JOIN crmd.tuning tn ON tn.key = split_part(k.key, '/', 1) AND tn.max IS NOT NULL
LEFT JOIN crmd.gate g ON g.key = k.key AND g.closed_until > (SELECT crmd.clock())
LEFT JOIN LATERAL (
    SELECT count(*) AS running, (array_agg(jsonb_build_object(
        'id', l.id, 'type', l.type, 'seconds', extract(epoch FROM crmd.clock() - l.claimed_at)::bigint)
        ORDER BY l.claimed_at))[1:$2] AS holders
    FROM crmd.lease l WHERE k.key = ANY (string_to_array(l.lane, ' '))) h ON true
ORDER BY k.place
