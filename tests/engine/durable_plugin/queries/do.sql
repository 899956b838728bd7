-- Notes that a step was done. $1 uuid: job  $2 text: step
INSERT INTO durable.done (job_id, step) VALUES ($1, $2)
