-- How long this transaction waits for a lock. No parameters; ends with the transaction.
SET LOCAL lock_timeout = '2s'
