-- Locks the secrets of an account before a new consent replaces them, so that a refresh in flight on another daemon
-- ends first. The order is secrets, then connection, as in the refresh: the two can't deadlock.
-- $1 workspace uuid, $2 provider text, $3 account text. Uses connection_workspace_id_provider_account_key.
SELECT s.name
FROM crmd.connection AS c
JOIN crmd.connection_secret AS s ON s.workspace_id = c.workspace_id AND s.connection_id = c.id
WHERE c.workspace_id = $1 AND c.provider = $2 AND c.account = $3
ORDER BY s.name
FOR UPDATE OF s
