-- Effects.
SELECT 1;
