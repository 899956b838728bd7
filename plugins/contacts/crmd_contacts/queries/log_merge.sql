-- Notes why two rows were found to be one person. $1 uuid: kept. $2 uuid: duplicate. $3 text: reason. $4 real: score
-- from 0 to 1. Relies on no index.
INSERT INTO crm.contact_merge (workspace_id, kept_id, merged_id, reason, score)
VALUES (crmd.workspace_id(), $1, $2, $3, $4);
