-- Books that a job did its work, once and for all. $1 uuid: job  $2 bigint: fence. Index: entry_pkey.
INSERT INTO ledger.entry (job_id, fence) VALUES ($1, $2)
