-- Adds and removes labels as a provider's history tells, each change only onto an older version of its message.
-- $1 uuid: connection. $2 jsonb: array of {provider_id, history_id, added: [text], removed: [text], is_unread, is_draft}; the
-- two booleans may be null (no change). A message occurs once.
-- Relies on the unique key (workspace_id, connection_id, provider_id), probed once per change in one order for everybody.
WITH locked AS MATERIALIZED (
    SELECT found.id, given.history_id, given.is_unread, given.is_draft,
           ARRAY(
               SELECT DISTINCT label FROM unnest(found.labels || given.added) AS label
               WHERE label <> ALL (given.removed) ORDER BY label
           ) AS labels
    FROM (
        SELECT new.*
        FROM jsonb_to_recordset($2::jsonb) AS new (
            provider_id text, history_id bigint, added text[], removed text[], is_unread boolean, is_draft boolean
        )
        ORDER BY new.provider_id
    ) AS given
    CROSS JOIN LATERAL (
        SELECT message.id, message.labels
        FROM crm.message
        WHERE message.workspace_id = crmd.workspace_id() AND message.connection_id = $1::uuid
          AND message.provider_id = given.provider_id AND message.provider_history_id < given.history_id
        LIMIT 1
        FOR UPDATE
    ) AS found
)
UPDATE crm.message
SET labels = locked.labels, is_unread = coalesce(locked.is_unread, message.is_unread),
    is_draft = coalesce(locked.is_draft, message.is_draft), provider_history_id = locked.history_id, updated_at = now()
FROM locked
WHERE message.workspace_id = crmd.workspace_id() AND message.id = locked.id
RETURNING message.id
