-- The real time. No parameters.
SELECT clock_timestamp()
