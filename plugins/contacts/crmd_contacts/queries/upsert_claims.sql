-- Adds claims; a known one only moves forward in time and rank. Returns what changed, and whether it is new.
-- $1-$9: arrays of equal length, one element per claim, without duplicates of (address, field, value):
-- text address, text field, text value, text match_key, text domain, integer rank, text kind, text detail,
-- timestamptz as_of. Relies on the primary key of contacts.claim.
INSERT INTO contacts.claim AS known
    (workspace_id, address, field, value, match_key, domain, rank, kind, detail, as_of)
SELECT crmd.workspace_id(), said.*
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::text[], $8::text[],
            $9::timestamptz[]) AS said (address, field, value, match_key, domain, rank, kind, detail, as_of)
ON CONFLICT (workspace_id, address, field, value) DO UPDATE SET
    rank = greatest(known.rank, excluded.rank),
    as_of = greatest(known.as_of, excluded.as_of),
    (kind, detail, domain) = (SELECT newer.kind, newer.detail, newer.domain
        FROM (VALUES (known.as_of, known.kind, known.detail, known.domain),
                     (excluded.as_of, excluded.kind, excluded.detail, excluded.domain)) AS newer (as_of, kind, detail, domain)
        ORDER BY newer.as_of DESC, newer.kind COLLATE "C" DESC, newer.detail COLLATE "C" DESC LIMIT 1)
WHERE excluded.rank > known.rank
   OR excluded.as_of > known.as_of
   OR (excluded.as_of = known.as_of
       AND (excluded.kind COLLATE "C", excluded.detail COLLATE "C") > (known.kind COLLATE "C", known.detail COLLATE "C"))
RETURNING known.address, known.field, known.domain, (known.xmax = 0) AS is_new;
