-- Calls unknown what a claim was sending that is gone: its daemon died, or its outcome could not be written.
-- $1 text: why. Index: effect_open, lease_pkey. Answers one row per effect.
UPDATE crmd.effect e SET state = 'unknown', reason = $1, changed_at = (SELECT crmd.clock())
WHERE e.state = 'handed_over'
  AND NOT EXISTS (
      SELECT FROM crmd.lease l WHERE l.id = e.job_id AND l.fence = e.fence AND l.claim_id = e.claim_id)
RETURNING e.id, e.kind, e.job_id, e.job_type, e.workspace_id
