-- Takes back a trigger that was added at run time; whether there was one. $1 text: event type  $2 text: job type
SELECT crmd.remove_trigger($1, $2)
