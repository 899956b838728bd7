-- The grant is gone: the connection waits for a new consent, the gate parks its jobs, and whoever listens for
-- account.needs_reauth is told once, all in the same commit. A connection that an operator disabled stays disabled.
-- $1 workspace uuid, $2 connection uuid, $3 reason text. Uses connection_workspace_id_id_key and gate_pkey.
WITH found AS (
    SELECT id, workspace_id, user_id, provider, account, state
    FROM crmd.connection
    WHERE workspace_id = $1 AND id = $2 AND state <> 'disabled'
    FOR UPDATE
), marked AS (
    UPDATE crmd.connection AS c
    SET state = 'needs_reauth', last_error = $3, updated_at = (SELECT crmd.clock())
    FROM found
    WHERE c.id = found.id
), told AS (
    SELECT crmd.emit(
        'account.needs_reauth',
        jsonb_build_object('connectionId', id, 'provider', provider, 'account', account, 'reason', $3::text),
        workspace_id, user_id, 'connection', id::text) AS event_id
    FROM found
    WHERE state <> 'needs_reauth'
), closed AS (
    INSERT INTO crmd.gate (key, closed_until, reason, closed_at)
    SELECT 'connection/' || found.id, 'infinity', $3, (SELECT crmd.clock()) FROM found
    ON CONFLICT (key) DO UPDATE SET
        closed_until = excluded.closed_until, reason = excluded.reason, closed_at = excluded.closed_at
)
SELECT event_id FROM told
