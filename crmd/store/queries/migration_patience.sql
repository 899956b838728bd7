-- How long a migration, and the wait for another daemon's, may take in this session; the pool takes it back.
-- $1 text: milliseconds
SELECT set_config('lock_timeout', $1, false), set_config('statement_timeout', $1, false)
