-- Counts an hour of ended jobs that is over, or the minutes since; see crmd.count_ended. Whether there is more.
-- No parameters. Index: archive_finished, ended_minute_pkey.
SELECT crmd.count_ended()
