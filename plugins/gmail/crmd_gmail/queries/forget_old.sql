-- Forgets what was told so long ago that nobody can still hold an older state of the message: a day is a hundred
-- times the longest attempt of a job that stores messages.
-- $1 uuid: connection. Relies on the index told (workspace_id, connection_id, told_at).
DELETE FROM gmail.told
WHERE workspace_id = crmd.workspace_id() AND connection_id = $1::uuid AND told_at < now() - interval '1 day'
