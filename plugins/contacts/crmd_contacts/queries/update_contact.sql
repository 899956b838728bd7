-- Writes what a person's claims add up to. $1 uuid: contact id; $2-$6 text: name as shown, given name, family name,
-- prefix, suffix; $7 text: job title; $8 uuid: company id. Relies on the primary key of crm.contact.
UPDATE crm.contact
SET full_name = $2, given_name = $3, family_name = $4, name_prefix = $5, name_suffix = $6, title = $7, company_id = $8,
    updated_at = now()
WHERE workspace_id = crmd.workspace_id() AND id = $1;
