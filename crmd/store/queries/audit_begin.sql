-- Notes an action of an operator before it is done; answers the row's id.
-- $1 text: actor  $2 text: action  $3 text: target  $4 uuid: workspace  $5 jsonb: details
INSERT INTO crmd.audit (id, at, actor, action, target, workspace_id, details)
VALUES (crmd.uuid7(), crmd.clock(), $1, $2, $3, $4, coalesce($5::jsonb, '{}')) RETURNING id
