-- Drops the schedules that fit all of what is given; answers how many. See crmd.unschedule.
-- $1 text: name  $2 uuid: workspace  $3 uuid: user  $4 uuid: connection  $5 text: subject
-- Index: schedule_pkey, schedule_owner, schedule_connection or schedule_subject.
SELECT crmd.unschedule($1, $2, $3, $4, $5)
