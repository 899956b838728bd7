-- Moves the injected clock. $1 float8: seconds
UPDATE crmd.test_clock SET shift = shift + make_interval(secs => $1)
