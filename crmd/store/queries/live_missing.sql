-- Which of these jobs neither wait nor run: they have ended, or were erased. $1 uuid[]: ids. Index: job_pkey, lease_pkey.
SELECT i.id FROM unnest($1::uuid[]) i(id)
WHERE NOT EXISTS (SELECT FROM crmd.job j WHERE j.id = i.id) AND NOT EXISTS (SELECT FROM crmd.lease l WHERE l.id = i.id)
