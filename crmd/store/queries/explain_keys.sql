-- The keys that a job's lane is made of, in order: pause or gate, limit, and who holds the key now. Before them those
-- that stand for its queue, type and workspace, if an operator lets them rest.
-- $1 text: lane  $2 int: how many holders to name  $3 text[]: the keys of its queue, type and workspace
-- crmd.lease is as small as the work in hand.
SELECT k.key, k.place::integer, split_part(k.key, '/', 1) AS name, coalesce(te.max, tn.max, c.max) AS max,
    coalesce(c.is_local, false) AS is_local,
    CASE WHEN p.key IS NOT NULL THEN 'paused: ' || coalesce(p.pause_reason, '') ELSE g.reason END AS gate_reason,
    nullif(CASE WHEN p.key IS NOT NULL THEN p.paused_until ELSE g.closed_until END, 'infinity') AS gate_until,
    coalesce(h.running, 0) AS running, h.holders
FROM (
    SELECT i.key, i.place - cardinality($3::text[]) AS place FROM unnest($3::text[]) WITH ORDINALITY AS i(key, place)
    UNION ALL
    SELECT l.key, l.place FROM unnest(string_to_array($1, ' ')) WITH ORDINALITY AS l(key, place)) k
LEFT JOIN crmd.tuning p ON p.key = k.key AND p.paused_until > (SELECT crmd.clock())
LEFT JOIN crmd.concurrency c ON c.name = split_part(k.key, '/', 1)
LEFT JOIN crmd.tuning te ON te.key = k.key AND te.max IS NOT NULL
LEFT JOIN crmd.tuning tn ON tn.key = split_part(k.key, '/', 1) AND tn.max IS NOT NULL
LEFT JOIN crmd.tuning own ON own.key = k.key
LEFT JOIN crmd.tuning tuned ON tuned.key = split_part(k.key, '/', 1)
-- A pause closes the gate too; it is told as what it is, by explain_job.sql.
LEFT JOIN crmd.gate g ON g.key = k.key AND g.closed_until > (SELECT crmd.clock())
    AND (own.paused_until > (SELECT crmd.clock())) IS NOT TRUE
LEFT JOIN LATERAL (
    SELECT count(*) AS running, (array_agg(jsonb_build_object(
        'id', l.id, 'type', l.type, 'seconds', extract(epoch FROM crmd.clock() - l.claimed_at)::bigint)
        ORDER BY l.claimed_at))[1:$2] AS holders
    FROM crmd.lease l WHERE k.key = ANY (string_to_array(l.lane, ' '))) h ON true
WHERE k.place > 0 OR p.key IS NOT NULL AND k.key <> ALL (string_to_array($1, ' '))
ORDER BY k.place
