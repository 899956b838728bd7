-- Ends the quarantine of the plugins of the run: the jobs that it makes wait are to end, too. No parameters.
DELETE FROM crmd.quarantine WHERE plugin LIKE 'chaos%'
