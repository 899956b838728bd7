-- Moves what fires once for a subject; answers how many. See crmd.move_subject.
-- $1 text: subject  $2 timestamptz: instant, or NULL and  $4 timestamp: reading of the clock  $3 uuid: workspace
-- Index: schedule_subject.
SELECT crmd.move_subject($1, $2, $3, $4)
