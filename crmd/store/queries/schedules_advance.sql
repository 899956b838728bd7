-- Moves schedules on, in the transaction that fired them.
-- $1 text[]: schedules  $2 timestamptz[]: last handled slot  $3 timestamptz[]: next slot. Index: schedule_pkey.
UPDATE crmd.schedule s SET last_due_at = a.last_due_at, next_due_at = a.next_due_at
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS a(id, last_due_at, next_due_at)
WHERE s.id = a.id
