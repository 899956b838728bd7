-- From here on, statements are a plugin's: held by row-level security whatever the connected role is.
-- No parameters; ends with the transaction.
SET LOCAL ROLE crmd_app
