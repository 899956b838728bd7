-- Bounds the refresh transaction: how long it waits for the winner before it, and how long it may sit idle while the
-- provider answers, after which the server ends it and the lock is free. Local to the transaction.
-- $1 milliseconds as text.
SELECT set_config('lock_timeout', $1, true),
       set_config('statement_timeout', $1, true),
       set_config('idle_in_transaction_session_timeout', $1, true)
