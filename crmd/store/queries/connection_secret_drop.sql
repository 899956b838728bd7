-- Forgets one secret, such as the access token that a new consent makes worthless.
-- $1 workspace uuid, $2 connection uuid, $3 name text. Uses connection_secret_pkey.
DELETE FROM crmd.connection_secret WHERE workspace_id = $1 AND connection_id = $2 AND name = $3
