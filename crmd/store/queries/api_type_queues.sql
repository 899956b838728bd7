-- Names of every job type that any daemon has declared, with its queue. No parameters. A few hundred rows at the most.
SELECT name, queue FROM crmd.job_type ORDER BY name
