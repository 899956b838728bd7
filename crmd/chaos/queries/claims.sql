-- The history of leases, in the order of their claims. No parameters; a scan of what the run left.
SELECT c.*, g.gone_at, extract(epoch FROM c.claimed_at)::float8 AS claimed_seconds,
       extract(epoch FROM c.run_at)::float8 AS due_seconds,
       extract(epoch FROM g.gone_at)::float8 AS gone_seconds
FROM chaos.claim c LEFT JOIN chaos.gone g USING (job_id, fence, claim_id)
ORDER BY c.claimed_at, c.fence
