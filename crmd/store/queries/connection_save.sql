-- A consent: makes the connection or brings the same account back to work, and returns its id and whether it is new.
-- $1 workspace uuid, $2 user uuid or NULL, $3 provider text, $4 account text, $5 scopes text[],
-- $6 endpoints jsonb as text, $7 client id text or NULL. Uses connection_workspace_id_provider_account_key.
INSERT INTO crmd.connection AS c (workspace_id, user_id, provider, account, scopes, endpoints, client_id)
VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7)
ON CONFLICT (workspace_id, provider, account) DO UPDATE SET
    user_id = coalesce(excluded.user_id, c.user_id),
    state = 'active',
    throttled_until = NULL,
    scopes = excluded.scopes,
    endpoints = excluded.endpoints,
    client_id = excluded.client_id,
    last_error = NULL,
    updated_at = (SELECT crmd.clock())
RETURNING c.id, c.xmax = 0 AS is_new
