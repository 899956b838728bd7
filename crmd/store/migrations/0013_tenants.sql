-- Tenant duties.
SELECT 1;
