-- Cancels a job and those below it; see crmd.cancel. $1 uuid: job id  $2 text: reason
SELECT crmd.cancel($1, $2)
