-- A person's addresses, numbers (`number;extension`) and links in one answer, to see what has to be written.
-- $1 uuid: contact id. Relies on contact_email_contact and the primary keys of crm.contact_phone and crm.contact_link.
SELECT 'email' AS what, address AS value, '' AS kind, '' AS raw, is_primary, source
FROM crm.contact_email WHERE workspace_id = crmd.workspace_id() AND contact_id = $1
UNION ALL
SELECT 'phone', number || ';' || extension, kind, raw, false, source
FROM crm.contact_phone WHERE workspace_id = crmd.workspace_id() AND contact_id = $1
UNION ALL
SELECT 'link', url, kind, '', false, source
FROM crm.contact_link WHERE workspace_id = crmd.workspace_id() AND contact_id = $1
ORDER BY what, value;
