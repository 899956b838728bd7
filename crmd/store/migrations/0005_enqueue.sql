-- Enqueue in full.
SELECT 1;
