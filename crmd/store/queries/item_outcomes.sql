-- Keeps what became of a job's items, under its token; a second word about an item replaces the first.
-- $1 uuid: job id  $2 bigint: fence  $3 uuid: claim id  $4 text[]: items  $5 text[]: outcomes  $6 text[]: reasons
-- Index: lease_pkey, item_pkey.
INSERT INTO crmd.item AS i (job_id, item, outcome, reason, settled_at)
SELECT DISTINCT ON (s.item) $1, s.item, s.outcome, s.reason, (SELECT crmd.clock())
FROM unnest($4::text[], $5::text[], $6::text[]) WITH ORDINALITY AS s(item, outcome, reason, place)
WHERE EXISTS (SELECT FROM crmd.lease l WHERE l.id = $1 AND l.fence = $2 AND l.claim_id = $3)
ORDER BY s.item, s.place DESC
ON CONFLICT (job_id, item) DO UPDATE
    SET outcome = excluded.outcome, reason = excluded.reason, settled_at = excluded.settled_at
