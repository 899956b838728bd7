-- What of a daemon's last claims and outcomes this server does not know, so that it was lost with the old primary.
-- A claim is known by its lease, which is the daemon's still, or by a fence that came after it; an end by its claim id in
-- the archive (a parent then waits for its children); any other outcome by the job's fence outside the lease.
-- $1 uuid[]: jobs  $2 bigint[]: fences  $3 uuid[]: claim ids  $4 text[]: held, over or back  $5 uuid: daemon id
-- Index: job_pkey, lease_pkey, archive_pkey in the partitions of the last day.
SELECT t.id, t.kind, j.id IS NULL AND l.id IS NULL AND a.id IS NULL AS is_gone
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[]) AS t(id, fence, claim_id, kind)
LEFT JOIN crmd.job j ON j.id = t.id
LEFT JOIN crmd.lease l ON l.id = t.id
LEFT JOIN LATERAL (SELECT r.id, r.fence, r.claim_id FROM crmd.archive r
    WHERE r.id = t.id AND r.finished_at > (SELECT crmd.clock()) - interval '1 day' LIMIT 1) a ON true
WHERE NOT coalesce(CASE t.kind
    WHEN 'held' THEN l.daemon_id = $5 OR j.fence >= t.fence OR l.fence > t.fence OR a.fence > t.fence
        OR a.fence = t.fence AND coalesce(a.claim_id, t.claim_id) = t.claim_id
    WHEN 'over' THEN a.claim_id = t.claim_id OR j.held = 'children' AND j.fence = t.fence
    ELSE j.fence >= t.fence OR l.fence > t.fence OR a.fence >= t.fence END, false)
