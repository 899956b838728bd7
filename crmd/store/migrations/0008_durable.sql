-- Durable work.
SELECT 1;
