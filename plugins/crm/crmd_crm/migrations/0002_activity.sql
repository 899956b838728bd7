-- What users do, summed up from events: one row per user and type of event.
CREATE TABLE crm.user_activity_fold (
    workspace_id uuid NOT NULL,
    generation   integer NOT NULL,
    user_id      uuid NOT NULL,
    event_type   text NOT NULL,
    events       bigint NOT NULL,
    first_at     timestamptz NOT NULL,
    last_at      timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, generation, user_id, event_type)
) WITH (fillfactor = 70);                                  -- counters change in place

ALTER TABLE crm.user_activity_fold ENABLE ROW LEVEL SECURITY;
ALTER TABLE crm.user_activity_fold FORCE ROW LEVEL SECURITY;
CREATE POLICY workspace ON crm.user_activity_fold USING (workspace_id = crmd.workspace_id())
    WITH CHECK (workspace_id = crmd.workspace_id());

-- What readers see: one row per user.
CREATE VIEW crm.user_activity WITH (security_invoker = true) AS
SELECT f.workspace_id, f.user_id, sum(f.events)::bigint AS events, jsonb_object_agg(f.event_type, f.events) AS by_type,
    min(f.first_at) AS first_at, max(f.last_at) AS last_at
FROM crm.user_activity_fold f WHERE f.generation = crmd.generation('user-activity')
GROUP BY f.workspace_id, f.user_id;

SELECT crmd.grant_app('crm');
