-- Notes that a message passed between us and its contacts: its sender, or whom we sent it to. Answers what is new, so a
-- second run answers nothing. $1 uuid: message. Relies on the primary keys and the unique key of crm.interaction.
WITH message AS (
    SELECT m.* FROM crm.message m WHERE m.workspace_id = crmd.workspace_id() AND m.id = $1
), added AS (
    INSERT INTO crm.interaction AS i (workspace_id, contact_id, kind, direction, source_id, occurred_at)
    SELECT DISTINCT m.workspace_id, e.contact_id, 'email', m.direction, m.id, m.received_at
    FROM message m
    JOIN crm.message_address a ON a.workspace_id = m.workspace_id AND a.message_id = m.id
        AND a.role = ANY (CASE m.direction WHEN 'inbound' THEN '{from}'::text[] ELSE '{to,cc}' END)
    JOIN crm.contact_email e ON e.workspace_id = m.workspace_id AND e.address = a.address
    ON CONFLICT (workspace_id, contact_id, kind, source_id) DO NOTHING
    RETURNING i.id, i.contact_id, i.direction, i.occurred_at
)
SELECT a.id, a.contact_id, a.direction, a.occurred_at, m.thread_id FROM added a, message m ORDER BY a.contact_id
