-- The process id of this session on the server; a pooler tells its clients another. No parameters.
SELECT pg_backend_pid()
