-- Opens a gate and wakes the daemons that sleep, so that the jobs behind it start at once.
-- $1 key text. Uses gate_pkey.
WITH opened AS (
    DELETE FROM crmd.gate WHERE key = $1 RETURNING key
), woken AS (
    SELECT crmd.wake() FROM opened
)
SELECT count(*) > 0 AS is_opened FROM woken
