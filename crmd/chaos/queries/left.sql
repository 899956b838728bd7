-- Jobs that have not ended, and where they are. No parameters.
SELECT id, type, 'crmd.lease' AS place FROM crmd.lease
UNION ALL
SELECT id, type, 'crmd.job' || coalesce(', held: ' || held, '') || ', due in '
    || round(extract(epoch FROM run_at - crmd.clock())::numeric, 1) || ' s' FROM crmd.job WHERE run_at < 'infinity'
UNION ALL
SELECT id, type, 'crmd.job' || coalesce(', held: ' || held, '') FROM crmd.job WHERE run_at = 'infinity'
