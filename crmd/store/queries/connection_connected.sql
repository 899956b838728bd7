-- Tells whoever listens for account.connected that an account can be worked with, so that its first sync starts.
-- $1 workspace uuid, $2 connection uuid, $3 whether it is the account's first consent, boolean.
-- Uses connection_workspace_id_id_key.
SELECT crmd.emit(
    'account.connected',
    jsonb_build_object('connectionId', id, 'userId', user_id, 'provider', provider, 'account', account, 'isNew', $3::boolean),
    workspace_id, user_id, 'connection', id::text)
FROM crmd.connection
WHERE workspace_id = $1 AND id = $2
