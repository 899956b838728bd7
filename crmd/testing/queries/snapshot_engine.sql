-- What the engine keeps of what jobs did: jobs with their status, events, cursors. A disturbed job's result may differ,
-- since it tells of its last attempt. No parameters.
SELECT 'jobs' AS name, jsonb_build_object('type', j.type, 'status', j.status, 'payload', j.payload,
    'workspace_id', j.workspace_id)::text AS row FROM crmd.jobs j
UNION ALL
SELECT 'events', jsonb_build_object('type', e.type, 'workspace_id', e.workspace_id, 'aggregate_type', e.aggregate_type,
    'aggregate_id', e.aggregate_id, 'data', e.data)::text FROM crmd.event e
UNION ALL
SELECT 'cursors', jsonb_build_object('name', c.name, 'workspace_id', c.workspace_id, 'value of ' || c.name, c.value)::text
FROM crmd.cursor c
