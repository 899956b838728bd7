-- Lets crmd's clock run ahead or behind. $1 float8: seconds; 0 puts it right.
SELECT chaos.shift_clock($1)
