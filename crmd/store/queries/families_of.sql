-- Which of some jobs have children, whichever of their attempts started them.
-- $1 uuid[]: jobs. Index: family_pkey.
SELECT parent_id FROM crmd.family WHERE parent_id = ANY ($1)
