-- Lets every schedule rest, so that time may pass without them. No parameters.
UPDATE crmd.schedule SET is_paused = true
