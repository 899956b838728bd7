-- The newest number that was given to an event. No parameters.
SELECT s.last_value - (NOT s.is_called)::integer FROM crmd.event_seq s
