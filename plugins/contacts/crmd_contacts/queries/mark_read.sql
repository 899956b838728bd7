-- Notes that a message was read; writes nothing when it stands already.
-- $1 uuid: message id. $2 integer: version of the rules. Relies on the primary key of contacts.reading.
INSERT INTO contacts.reading AS known (workspace_id, message_id, rules_version)
VALUES (crmd.workspace_id(), $1, $2)
ON CONFLICT (workspace_id, message_id) DO UPDATE SET rules_version = excluded.rules_version
WHERE known.rules_version < excluded.rules_version;
