-- Moves schedules on, in the transaction that fired them. One without a next slot is done.
-- $1 text[]: schedules  $2 timestamptz[]: last handled slot  $3 timestamptz[]: next slot, NULL none
-- $4 timestamptz[]: newest slot that fired or was skipped, NULL none. Index: schedule_pkey.
UPDATE crmd.schedule s SET last_due_at = a.last_due_at, next_due_at = coalesce(a.next_due_at, 'infinity'),
    last_tick_at = coalesce(a.last_tick_at, s.last_tick_at),
    done_at = CASE WHEN a.next_due_at IS NULL THEN (SELECT crmd.clock()) END
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[])
    AS a(id, last_due_at, next_due_at, last_tick_at)
WHERE s.id = a.id
