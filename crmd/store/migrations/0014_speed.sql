-- What makes claims and settles cheaper: nothing so far.
SELECT 1
