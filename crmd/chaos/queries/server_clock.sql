-- The server's clock, to compare with ours. No parameters.
SELECT extract(epoch FROM clock_timestamp())::float8
