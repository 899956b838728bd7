-- Sets schedules aside that cannot be evaluated or fired, each with its reason; the others go on.
-- $1 text[]: ids  $2 text[]: reasons. Index: schedule_pkey.
UPDATE crmd.schedule s SET error = b.reason FROM unnest($1::text[], $2::text[]) AS b(id, reason) WHERE s.id = b.id
