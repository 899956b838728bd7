-- The grant is gone: the connection waits for a new consent, and the gate parks its jobs in the same commit.
-- $1 workspace uuid, $2 connection uuid, $3 reason text. Uses connection_workspace_id_id_key and gate_pkey.
WITH marked AS (
    UPDATE crmd.connection
    SET state = 'needs_reauth', last_error = $3, updated_at = (SELECT crmd.clock())
    WHERE workspace_id = $1 AND id = $2 AND state <> 'disabled'
    RETURNING id
)
INSERT INTO crmd.gate (key, closed_until, reason, closed_at)
SELECT 'connection/' || marked.id, 'infinity', $3, (SELECT crmd.clock()) FROM marked
ON CONFLICT (key) DO UPDATE SET
    closed_until = excluded.closed_until, reason = excluded.reason, closed_at = excluded.closed_at
RETURNING key
