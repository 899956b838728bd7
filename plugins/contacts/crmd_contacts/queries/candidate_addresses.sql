-- Addresses that may belong to one of the people at hand: a word of the name in common, and the mail domain, a phone
-- or a company's name. $1 text[]: LIKE patterns of name words. $2 text[]: company domains. $3 text[]: E.164 numbers.
-- $4 text[]: companies' match keys. Relies on claim_domain and claim_match, then on the primary key.
WITH near AS (
    SELECT address FROM contacts.claim
    WHERE workspace_id = crmd.workspace_id() AND domain = ANY ($2) AND domain <> '' AND field = 'name'
    UNION
    SELECT address FROM contacts.claim
    WHERE workspace_id = crmd.workspace_id() AND field = 'phone' AND match_key = ANY ($3)
    UNION
    SELECT address FROM contacts.claim
    WHERE workspace_id = crmd.workspace_id() AND field = 'company' AND match_key = ANY ($4)
)
SELECT DISTINCT near.address
FROM near
JOIN contacts.claim called
    ON called.workspace_id = crmd.workspace_id() AND called.address = near.address AND called.field = 'name'
WHERE called.match_key LIKE ANY ($1)
ORDER BY near.address;
