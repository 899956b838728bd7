-- Notes an attempt at a message and how it stands; that it was accepted also with its webhook, to the minute.
-- $1 uuid: delivery  $2 text: its status now  $3 text: JSON with attempt, status, seconds, error; NULL: nothing was sent
-- Index: webhook_delivery_pkey, webhook_pkey.
WITH noted AS (
    UPDATE crmd.webhook_delivery d
    SET status = $2, ended_at = CASE WHEN $2 <> 'pending' THEN crmd.clock() END,
        attempt_count = d.attempt_count + ($3::text IS NOT NULL)::integer,
        attempts = CASE WHEN $3::text IS NULL THEN d.attempts ELSE
            CASE WHEN jsonb_array_length(d.attempts) >= 30 THEN d.attempts - 0 ELSE d.attempts END
            || jsonb_build_array(jsonb_build_object('at', crmd.clock()) || $3::text::jsonb) END
    WHERE d.id = $1
    RETURNING d.webhook_id
)
UPDATE crmd.webhook w SET accepted_at = crmd.clock() FROM noted n
WHERE w.id = n.webhook_id AND $2 = 'delivered'
  AND (w.accepted_at IS NULL OR w.accepted_at < crmd.clock() - interval '1 minute')
