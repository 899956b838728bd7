-- What is attached to a batch of messages.
-- $1 uuid[]: message. $2 integer[]: position. $3 text[]: file name. $4 text[]: content type. $5 integer[]: decoded bytes.
-- $6 text[]: content id or NULL. $7 boolean[]: shown inside the text.
-- Relies on the primary key.
INSERT INTO crm.attachment (workspace_id, message_id, position, filename, content_type, size_bytes, content_id, is_inline)
SELECT crmd.workspace_id(), new.message_id, new.position, new.filename, new.content_type, new.size_bytes, new.content_id,
       new.is_inline
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::boolean[])
     AS new (message_id, position, filename, content_type, size_bytes, content_id, is_inline)
