-- Seconds until the next waiting job is due; NULL: there is none. No parameters.
SELECT extract(epoch FROM min(run_at) - crmd.clock())::float8 FROM crmd.job
WHERE (held IS NULL OR held = 'suspect') AND isfinite(run_at)
