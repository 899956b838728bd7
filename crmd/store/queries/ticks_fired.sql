-- Which of these ticks have fired: the others were skipped or never looked at.
-- $1 text: schedule  $2 timestamptz[]: ticks. Index: tick_pkey.
SELECT due_at FROM crmd.tick WHERE schedule_id = $1 AND due_at = ANY ($2) AND job_id IS NOT NULL
