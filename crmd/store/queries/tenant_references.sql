-- Which tables refer to which by foreign keys, so that the referring rows go first. No parameters. Reads the catalogue.
SELECT conrelid AS from_oid, confrelid AS to_oid FROM pg_constraint WHERE contype = 'f' AND conrelid <> confrelid
