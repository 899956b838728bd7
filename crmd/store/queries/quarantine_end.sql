-- Releases a plugin; answers whether it was quarantined, and wakes the daemons. Its crashes are forgotten, or the next
-- one would bring it back.
-- $1 text: plugin  $2 uuid: only if this is the job that tried; NULL: in any case
-- Index: quarantine_pkey, crash_plugin.
WITH ended AS (
    DELETE FROM crmd.quarantine WHERE plugin = $1 AND ($2::uuid IS NULL OR probe_job = $2) RETURNING plugin
), forgotten AS (
    DELETE FROM crmd.crash c USING ended e WHERE c.plugin = e.plugin
), woken AS (
    SELECT crmd.wake() FROM ended
)
SELECT count(*) > 0 AS is_released FROM woken
