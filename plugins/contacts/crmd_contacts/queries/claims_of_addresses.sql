-- All claims about some addresses. $1 text[]: addresses, lower case. Relies on the primary key of contacts.claim.
SELECT address, field, value, match_key, rank, kind, detail, as_of
FROM contacts.claim
WHERE workspace_id = crmd.workspace_id() AND address = ANY ($1);
