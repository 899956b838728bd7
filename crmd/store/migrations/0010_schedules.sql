-- Schedules in full.
SELECT 1;
