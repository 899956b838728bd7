-- Says that a mailbox was synced up to here; for samples alone, as jobs move cursors by their transactions.
-- $1 uuid: workspace  $2 uuid: connection  $3 jsonb: Gmail's history id as text
INSERT INTO crmd.cursor (workspace_id, connection_id, name, value) VALUES ($1, $2, 'history', $3)
