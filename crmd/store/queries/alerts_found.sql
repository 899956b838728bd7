-- Books the faults that were found; a new one is to be told at once. One whose end is being told already begins anew
-- when that is done. Index: alert_pkey.
-- $1 text[]: faults  $2 text[]: kinds  $3 text[]: sentences  $4 text[]: hints
INSERT INTO crmd.alert AS a (fault, id, kind, sentence, hint, opened_at, seen_at, due_at)
SELECT f.fault, crmd.uuid7(), f.kind, f.sentence, f.hint, n.clock, n.clock, n.clock
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS f(fault, kind, sentence, hint),
    (SELECT crmd.clock() AS clock) n
ON CONFLICT (fault) DO UPDATE SET seen_at = excluded.seen_at, sentence = excluded.sentence, hint = excluded.hint
    WHERE a.recovered_at IS NULL
