-- Isolation and blame.
SELECT 1;
