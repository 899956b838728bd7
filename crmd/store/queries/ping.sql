-- A round trip and nothing else, to time the way to the database. No parameters.
SELECT 1
