-- The handlers of events and what they hear of. No parameters. Index: none; there are few.
SELECT t.job_type AS handler, array_agg(t.event_type ORDER BY t.event_type) AS events FROM crmd.trigger t
WHERE t.gives = 'event' GROUP BY t.job_type ORDER BY t.job_type
