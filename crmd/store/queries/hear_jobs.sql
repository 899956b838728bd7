-- Turns the events of jobs' ends on, if anybody asks for them by now, or off. No parameters.
SELECT crmd.hear_jobs()
