-- Lets the injected clock run on from an instant. $1 timestamptz: the instant
UPDATE crmd.test_clock SET shift = $1 - clock_timestamp(), frozen_at = NULL
