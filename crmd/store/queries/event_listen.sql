-- Asks for notices on the channel crmd_events for a while. $1 text: event type  $2 uuid: who listens  $3 float8: seconds
SELECT crmd.listen_events($1, $2, $3)
