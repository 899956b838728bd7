-- How long this transaction waits for a lock, and how long it may stand still with its own before the server ends it: a
-- daemon that is paused here would hold up the claims of all. No parameters; ends with the transaction.
SELECT set_config('lock_timeout', '2s', true), set_config('idle_in_transaction_session_timeout', '2s', true)
