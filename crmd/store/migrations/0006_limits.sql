-- Limits, turns and pauses.
SELECT 1;
