-- Keeps a workspace from starting anything: its schedules rest, its connections are disabled, its gate is closed.
-- $1 uuid: workspace  $2 text: reason. Index: none needed; schedules and connections of one workspace are read whole.
WITH rested AS (
    UPDATE crmd.schedule SET is_paused = true, updated_at = crmd.clock() WHERE workspace_id = $1::uuid
), disabled AS (
    UPDATE crmd.connection SET state = 'disabled' WHERE workspace_id = $1::uuid
)
INSERT INTO crmd.gate (key, closed_until, reason, closed_at)
VALUES ('workspace/' || $1::uuid::text, 'infinity', $2, crmd.clock())
ON CONFLICT (key) DO UPDATE SET closed_until = 'infinity', reason = excluded.reason, closed_at = excluded.closed_at
