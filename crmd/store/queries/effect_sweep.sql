-- Forgets effects that are over as long as their jobs are; an unknown one stays until it is resolved, and so does one
-- whose job may still come and ask.
-- $1 int: days  $2 int: rows at most. Index: effect_over, job_pkey, lease_pkey.
DELETE FROM crmd.effect WHERE id IN (
    SELECT e.id FROM crmd.effect e
    WHERE e.state IN ('planned', 'confirmed', 'refused')
      AND e.changed_at < (SELECT crmd.clock()) - make_interval(days => $1)
      AND NOT EXISTS (SELECT FROM crmd.job j WHERE j.id = e.job_id)
      AND NOT EXISTS (SELECT FROM crmd.lease l WHERE l.id = e.job_id)
    ORDER BY e.changed_at LIMIT $2)
RETURNING id
