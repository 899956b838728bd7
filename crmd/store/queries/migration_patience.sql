-- How long a migration, and the wait for another daemon's, may take in this transaction.
-- $1 text: milliseconds
SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $1, true)
