-- Stores a batch of messages and returns those it wrote. A message that is stored alike is not touched at all, and one whose
-- provider version is newer than the batch's stays: syncs may run twice, overlap and come late.
-- $1 uuid: connection. $2 jsonb: array of objects with the columns of the record below (raw_sha256 as hex, instants ISO 8601).
-- Relies on the unique keys (workspace_id, connection_id, provider_id) of message and (…, provider_thread_id) of thread.
WITH given AS MATERIALIZED (
    SELECT new.*, thread.id AS thread_id, decode(new.raw_sha256_hex, 'hex') AS raw_sha256
    FROM jsonb_to_recordset($2::jsonb) AS new (
        provider_id text, provider_thread_id text, provider_history_id bigint, rfc822_message_id text, in_reply_to text,
        references_ids text[], kind text, direction text, subject text, from_name text, from_address text,
        sent_at timestamptz, received_at timestamptz, snippet text, body_text text, body_html text, labels text[],
        is_unread boolean, is_draft boolean, has_attachments boolean, bounce jsonb, defects text[], size_bytes integer,
        raw_sha256_hex text
    )
    JOIN crm.thread ON thread.workspace_id = crmd.workspace_id() AND thread.connection_id = $1::uuid
                   AND thread.provider_thread_id = new.provider_thread_id
)
INSERT INTO crm.message AS stored (
    workspace_id, connection_id, provider_id, thread_id, provider_history_id, rfc822_message_id, in_reply_to,
    references_ids, kind, direction, subject, from_name, from_address, sent_at, received_at, snippet, body_text,
    body_html, labels, is_unread, is_draft, has_attachments, bounce, defects, size_bytes, raw_sha256
)
SELECT crmd.workspace_id(), $1::uuid, provider_id, thread_id, provider_history_id, rfc822_message_id, in_reply_to,
       references_ids, kind, direction, subject, from_name, from_address, sent_at, received_at, snippet, body_text,
       body_html, labels, is_unread, is_draft, has_attachments, bounce, defects, size_bytes, raw_sha256
FROM given
WHERE NOT EXISTS (
    SELECT FROM crm.message AS same
    WHERE same.workspace_id = crmd.workspace_id() AND same.connection_id = $1::uuid
      AND same.provider_id = given.provider_id
      AND (same.provider_history_id > given.provider_history_id
           OR (same.thread_id, same.provider_history_id, same.rfc822_message_id, same.in_reply_to, same.references_ids,
               same.kind, same.direction, same.subject, same.from_name, same.from_address, same.sent_at,
               same.received_at, same.snippet, same.body_text, same.body_html, same.labels, same.is_unread,
               same.is_draft, same.has_attachments, same.bounce, same.defects, same.size_bytes, same.raw_sha256)
              IS NOT DISTINCT FROM
              (given.thread_id, given.provider_history_id, given.rfc822_message_id, given.in_reply_to,
               given.references_ids, given.kind, given.direction, given.subject, given.from_name, given.from_address,
               given.sent_at, given.received_at, given.snippet, given.body_text, given.body_html, given.labels,
               given.is_unread, given.is_draft, given.has_attachments, given.bounce, given.defects, given.size_bytes,
               given.raw_sha256))
)
ORDER BY provider_id
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
