-- How many daemons are registered and alive. No parameters; crmd.daemon has a row per daemon.
SELECT count(*) FROM crmd.daemon WHERE NOT is_dead AND lease_until > crmd.clock()
