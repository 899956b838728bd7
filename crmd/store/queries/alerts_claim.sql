-- Takes what is to be told, so that nobody else tells it for a minute, and for longer with every try. The table is small.
-- $1 text[]: ways, as mail  $2 int: how many at most
UPDATE crmd.alert a SET tries = a.tries + 1,
    due_at = n.clock + least(interval '1 minute' * 2 ^ least(a.tries, 10), interval '1 hour')
FROM (SELECT crmd.clock() AS clock) n
WHERE a.fault = ANY (ARRAY(
    SELECT o.fault FROM crmd.alert o
    WHERE o.due_at <= (SELECT crmd.clock())
      AND (NOT o.told_open @> $1 OR o.recovered_at IS NOT NULL AND NOT o.told_end @> $1)
    ORDER BY o.opened_at LIMIT $2 FOR UPDATE SKIP LOCKED))
RETURNING a.fault, a.id, a.kind, a.sentence, a.hint, a.opened_at, a.recovered_at, a.told_open, a.told_end
