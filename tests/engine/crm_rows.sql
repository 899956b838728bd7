-- Everything that a sync of mail leaves in the CRM, without the ids that each database makes up for itself.
SELECT line FROM (
    SELECT concat_ws('|', 'message', m.provider_id, t.provider_thread_id, m.kind, m.direction, m.subject, m.from_address,
        m.from_name, m.sent_at, m.received_at, md5(m.body_text), m.labels, m.is_unread, m.has_attachments) AS line
    FROM crm.message m JOIN crm.thread t ON (t.workspace_id, t.id) = (m.workspace_id, m.thread_id)
    UNION ALL SELECT concat_ws('|', 'address', m.provider_id, a.role, a.position, a.name, a.address)
    FROM crm.message_address a JOIN crm.message m ON (m.workspace_id, m.id) = (a.workspace_id, a.message_id)
    UNION ALL SELECT concat_ws('|', 'attachment', m.provider_id, a.position, a.filename, a.content_type, a.size_bytes)
    FROM crm.attachment a JOIN crm.message m ON (m.workspace_id, m.id) = (a.workspace_id, a.message_id)
    UNION ALL SELECT concat_ws('|', 'thread', t.provider_thread_id, t.subject, t.message_count, t.last_message_at)
    FROM crm.thread t
    UNION ALL SELECT concat_ws('|', 'company', c.name, c.domain) FROM crm.company c
    UNION ALL SELECT concat_ws('|', 'contact', c.full_name, c.title, o.name,
        (SELECT string_agg(e.address, ' ' ORDER BY e.address) FROM crm.contact_email e
         WHERE (e.workspace_id, e.contact_id) = (c.workspace_id, c.id)),
        (SELECT string_agg(p.number, ' ' ORDER BY p.number) FROM crm.contact_phone p
         WHERE (p.workspace_id, p.contact_id) = (c.workspace_id, c.id)))
    FROM crm.contact c LEFT JOIN crm.company o ON (o.workspace_id, o.id) = (c.workspace_id, c.company_id)
    WHERE c.merged_into IS NULL
) rows ORDER BY line
