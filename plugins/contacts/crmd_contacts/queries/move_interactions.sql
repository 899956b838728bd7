-- Hands a duplicate's interactions to the person it is, except those the person has already.
-- $1 uuid: duplicate. $2 uuid: kept. Relies on interaction_timeline and the unique key of crm.interaction.
UPDATE crm.interaction moved SET contact_id = $2
WHERE moved.workspace_id = crmd.workspace_id() AND moved.contact_id = $1
  AND NOT EXISTS (
      SELECT FROM crm.interaction known
      WHERE known.workspace_id = moved.workspace_id AND known.contact_id = $2 AND known.kind = moved.kind
        AND known.source_id = moved.source_id);
