-- Locks the rows that count whom jobs wait for, in the order in which crmd.book_ended takes them, until the transaction
-- ends. Behind leases_hold.
-- $1 uuid[]: jobs that wait. Index: family_pkey.
SELECT FROM crmd.family f WHERE f.parent_id = ANY ($1) ORDER BY f.parent_id FOR UPDATE
