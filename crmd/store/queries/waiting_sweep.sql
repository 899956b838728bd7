-- Finds what emitters and waiters missed of each other; see crmd.sweep_waiting. $1 int: rows at most
SELECT crmd.sweep_waiting($1)
