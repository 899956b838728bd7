-- Refuses a condition that is no SQL/JSON path, or is neither true nor false. $1 text: condition
SELECT crmd.check_condition($1::text::jsonpath) IS NOT NULL
