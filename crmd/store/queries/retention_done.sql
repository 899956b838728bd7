-- Notes up to when a class was let go, in the transaction that did it. $1 text: class  $2 timestamptz
INSERT INTO crmd.retention (class, done_before) VALUES ($1, $2)
ON CONFLICT (class) DO UPDATE SET done_before = greatest(crmd.retention.done_before, excluded.done_before)
