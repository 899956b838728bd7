-- The provider asked for a pause: closes the account's gate on all daemons at once and shows it on the connection.
-- Never shortens a pause, and leaves a gate alone that waits for a person.
-- $1 workspace uuid, $2 connection uuid, $3 seconds float8, $4 reason text.
-- Uses connection_workspace_id_id_key and gate_pkey.
WITH pause AS (
    SELECT now_at, now_at + make_interval(secs => $3::float8) AS until_at FROM (SELECT crmd.clock() AS now_at) AS clock
), marked AS (
    UPDATE crmd.connection AS c
    SET throttled_until = greatest(c.throttled_until, pause.until_at), updated_at = pause.now_at
    FROM pause
    WHERE c.workspace_id = $1 AND c.id = $2
    RETURNING c.id
)
INSERT INTO crmd.gate AS g (key, closed_until, reason, closed_at)
SELECT 'connection/' || marked.id, pause.until_at, $4, pause.now_at FROM marked CROSS JOIN pause
ON CONFLICT (key) DO UPDATE SET
    closed_until = excluded.closed_until, reason = excluded.reason, closed_at = excluded.closed_at
WHERE g.closed_until < excluded.closed_until
