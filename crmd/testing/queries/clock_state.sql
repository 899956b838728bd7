-- The injected clock: what it shows, and whether it stands still. No parameters.
SELECT crmd.clock() AS now, frozen_at IS NOT NULL AS is_frozen FROM crmd.test_clock
