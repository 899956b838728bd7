-- Tells daemons with live streams which jobs have changed; see crmd/engine/watchers.py. $1 text: the word
SELECT pg_notify('crmd_wake', $1)
