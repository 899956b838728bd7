-- The message to read, and whether these rules have read it already.
-- $1 uuid: message id. $2 integer: version of the rules. Relies on the primary keys.
SELECT m.kind, m.received_at, m.subject, m.body_text, m.labels, m.is_draft, r.message_id IS NOT NULL AS is_read
FROM crm.message m
LEFT JOIN contacts.reading r
    ON r.workspace_id = m.workspace_id AND r.message_id = m.id AND r.rules_version >= $2
WHERE m.workspace_id = crmd.workspace_id() AND m.id = $1;
