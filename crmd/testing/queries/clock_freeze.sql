-- Stops the injected clock at an instant. $1 timestamptz: the instant
UPDATE crmd.test_clock SET frozen_at = $1, shift = interval '0'
