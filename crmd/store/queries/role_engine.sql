-- From here on, statements are the engine's own again. No parameters; ends with the transaction.
SET LOCAL ROLE NONE
