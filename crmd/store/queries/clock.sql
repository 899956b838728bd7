-- The database's clock. No parameters.
SELECT crmd.clock()
