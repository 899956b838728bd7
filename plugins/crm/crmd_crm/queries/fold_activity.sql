-- Adds the events of users to their sums. $1 integer: generation  $2 bigint: behind this seq  $3 bigint: up to this one.
-- What happens to jobs is nobody's doing. Index: event_workspace, user_activity_fold_pkey.
INSERT INTO crm.user_activity_fold AS f (workspace_id, generation, user_id, event_type, events, first_at, last_at)
SELECT crmd.workspace_id(), $1, e.user_id, e.type, count(*), min(e.emitted_at), max(e.emitted_at)
FROM crmd.workspace_events e
WHERE e.seq > $2 AND e.seq <= $3 AND e.user_id IS NOT NULL AND e.type NOT LIKE 'job.%'
GROUP BY e.user_id, e.type
ON CONFLICT (workspace_id, generation, user_id, event_type) DO UPDATE SET events = f.events + excluded.events,
    first_at = least(f.first_at, excluded.first_at), last_at = greatest(f.last_at, excluded.last_at)
