-- Stores a batch of messages and returns those it wrote. A message that is stored alike is not touched at all, and one whose
-- provider version is newer than the batch's stays: syncs may run twice, overlap and come late.
-- $1 uuid: connection. $2 jsonb: array of objects with the columns of the record below (raw_sha256 as hex, instants ISO 8601).
-- Relies on the unique keys (workspace_id, connection_id, provider_id) of message and (…, provider_thread_id) of thread.
-- The lookups are LATERAL and fenced by LIMIT, so that each is one probe of its unique key even before the tables were ever
-- analysed: a join would scan the whole mailbox once per message.
WITH given AS MATERIALIZED (
    SELECT new.*, found.thread_id, decode(new.raw_sha256_hex, 'hex') AS raw_sha256
    FROM jsonb_to_recordset($2::jsonb) AS new (
        provider_id text, provider_thread_id text, provider_history_id bigint, rfc822_message_id text, in_reply_to text,
        references_ids text[], kind text, direction text, subject text, from_name text, from_address text,
        sent_at timestamptz, received_at timestamptz, snippet text, body_text text, body_html text, labels text[],
        is_unread boolean, is_draft boolean, has_attachments boolean, bounce jsonb, defects text[], size_bytes integer,
        raw_sha256_hex text
    )
    CROSS JOIN LATERAL (
        SELECT thread.id AS thread_id
        FROM crm.thread
        WHERE thread.workspace_id = crmd.workspace_id() AND thread.connection_id = $1::uuid
          AND thread.provider_thread_id = new.provider_thread_id
        LIMIT 1
    ) AS found
)
INSERT INTO crm.message AS stored (
    workspace_id, connection_id, provider_id, thread_id, provider_history_id, rfc822_message_id, in_reply_to,
    references_ids, kind, direction, subject, from_name, from_address, sent_at, received_at, snippet, body_text,
    body_html, labels, is_unread, is_draft, has_attachments, bounce, defects, size_bytes, raw_sha256
)
SELECT crmd.workspace_id(), $1::uuid, given.provider_id, given.thread_id, given.provider_history_id,
       given.rfc822_message_id, given.in_reply_to, given.references_ids, given.kind, given.direction, given.subject,
       given.from_name, given.from_address, given.sent_at, given.received_at, given.snippet, given.body_text,
       given.body_html, given.labels, given.is_unread, given.is_draft, given.has_attachments, given.bounce,
       given.defects, given.size_bytes, given.raw_sha256
FROM given
LEFT JOIN LATERAL (
    SELECT message.*
    FROM crm.message
    WHERE message.workspace_id = crmd.workspace_id() AND message.connection_id = $1::uuid
      AND message.provider_id = given.provider_id
    LIMIT 1
) AS known ON true
WHERE known.id IS NULL
   OR (known.provider_history_id <= given.provider_history_id
       AND (known.thread_id, known.provider_history_id, known.rfc822_message_id, known.in_reply_to,
           known.references_ids, known.kind, known.direction, known.subject, known.from_name,
           known.from_address, known.sent_at, known.received_at, known.snippet, known.body_text,
           known.body_html, known.labels, known.is_unread, known.is_draft, known.has_attachments,
           known.bounce, known.defects, known.size_bytes, known.raw_sha256)
           IS DISTINCT FROM
           (given.thread_id, given.provider_history_id, given.rfc822_message_id, given.in_reply_to,
           given.references_ids, given.kind, given.direction, given.subject, given.from_name,
           given.from_address, given.sent_at, given.received_at, given.snippet, given.body_text,
           given.body_html, given.labels, given.is_unread, given.is_draft, given.has_attachments,
           given.bounce, given.defects, given.size_bytes, given.raw_sha256))
ORDER BY given.provider_id
ON CONFLICT (workspace_id, connection_id, provider_id) DO UPDATE SET
    thread_id = EXCLUDED.thread_id, provider_history_id = EXCLUDED.provider_history_id,
    rfc822_message_id = EXCLUDED.rfc822_message_id, in_reply_to = EXCLUDED.in_reply_to,
    references_ids = EXCLUDED.references_ids, kind = EXCLUDED.kind, direction = EXCLUDED.direction,
    subject = EXCLUDED.subject, from_name = EXCLUDED.from_name, from_address = EXCLUDED.from_address,
    sent_at = EXCLUDED.sent_at, received_at = EXCLUDED.received_at, snippet = EXCLUDED.snippet,
    body_text = EXCLUDED.body_text, body_html = EXCLUDED.body_html, labels = EXCLUDED.labels,
    is_unread = EXCLUDED.is_unread, is_draft = EXCLUDED.is_draft, has_attachments = EXCLUDED.has_attachments,
    bounce = EXCLUDED.bounce, defects = EXCLUDED.defects, size_bytes = EXCLUDED.size_bytes,
    raw_sha256 = EXCLUDED.raw_sha256, updated_at = now()
WHERE stored.provider_history_id <= EXCLUDED.provider_history_id
RETURNING id, provider_id, thread_id, direction, kind, xmax = 0 AS is_new
