-- Makes the one database of the embedded server, right after its cluster was made.
-- No parameters; the name is the one in crmd.embedded.server.DATABASE. Relies on no index.
CREATE DATABASE crmd
