-- Made-up interactions of one workspace, the same for the same seed, a fiftieth of them merges.
-- $1 uuid: workspace  $2 uuid: user  $3 int: how many  $4 int: contacts  $5 text: seed
WITH made AS (
    SELECT n, md5($5 || n) AS h, ('x' || substr(md5($5 || n), 1, 7))::bit(28)::integer AS r FROM generate_series(1, $3) n
), interactions AS (
    SELECT array_agg(jsonb_build_object('interactionId', m.h::uuid, 'contactId', md5('contact' || m.r % $4)::uuid,
        'kind', CASE WHEN m.r % 5 = 0 THEN 'meeting' ELSE 'email' END,
        'direction', CASE WHEN m.r % 5 = 0 THEN NULL WHEN m.r % 2 = 0 THEN 'inbound' ELSE 'outbound' END,
        'threadId', (m.r % 7)::text,
        'occurredAt', timestamptz '2026-01-01' + make_interval(secs => m.r % 10000000)) ORDER BY m.n) AS data
    FROM made m WHERE m.n % 50 <> 0
), merges AS (
    SELECT array_agg(jsonb_build_object('mergedContactId', md5('contact' || m.r % $4)::uuid,
        'contactId', md5('contact' || (m.r / 7) % $4)::uuid) ORDER BY m.n) AS data
    FROM made m WHERE m.n % 50 = 0 AND m.r % $4 > (m.r / 7) % $4
)
SELECT (SELECT count(*) FROM crmd.emit_many('interaction.recorded', i.data, $1, $2))
     + (SELECT count(*) FROM crmd.emit_many('contact.merged', m.data, $1, $2)) FROM interactions i, merges m
WHERE i.data IS NOT NULL
