-- Makes a role, which belongs to the whole server and not to this database.
CREATE ROLE crmd_faulty_reader;
