-- Names of every job type that any daemon has declared. No parameters. A few hundred rows at the most.
SELECT name FROM crmd.job_type ORDER BY name
