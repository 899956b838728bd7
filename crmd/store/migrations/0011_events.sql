-- Events in full.
SELECT 1;
