-- What people sign as the company of a domain. $1 text: registrable domain. Relies on claim_domain.
SELECT address, field, value, match_key, rank, kind, detail, as_of
FROM contacts.claim
WHERE workspace_id = crmd.workspace_id() AND domain = $1 AND domain <> '' AND field = 'company';
