-- Everybody a message names, in a stable order.
-- $1 uuid: message id. Relies on the primary key of crm.message_address.
SELECT role, name, address
FROM crm.message_address
WHERE workspace_id = crmd.workspace_id() AND message_id = $1 AND address IS NOT NULL
ORDER BY role, position;
