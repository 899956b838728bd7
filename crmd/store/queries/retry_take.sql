-- May a request be repeated? Over all daemons repeats stay within a share of the first tries, counted over a sliding
-- time in which what is older counts for less; a few a second are always free. The row's lock makes it exact.
-- $1 provider text, $2 first tries since this daemon asked last float8, $3 share float8, $4 free a second float8,
-- $5 sliding time float8 s. Uses retry_budget_pkey. Answers whether it may, and after how many seconds it might.
INSERT INTO crmd.retry_budget AS b (provider, tries, repeats, is_granted, counted_at)
SELECT $1, $2, 1, true, crmd.clock()
ON CONFLICT (provider) DO UPDATE SET (tries, repeats, is_granted, counted_at) = (
    SELECT c.tries, c.repeats + m.may::integer, m.may, c.clock
    FROM (SELECT n.clock, b.tries * n.fade + $2::float8 AS tries, b.repeats * n.fade AS repeats
          FROM (SELECT crmd.clock() AS clock,
                       exp(least(0, extract(epoch FROM b.counted_at - crmd.clock())::float8 / $5::float8)) AS fade) n) c
    CROSS JOIN LATERAL (SELECT c.repeats + 1 <= $3::float8 * c.tries + $4::float8 * $5::float8 AS may) m)
RETURNING b.is_granted,
    CASE WHEN b.is_granted THEN 0
         ELSE $5 * ln(greatest((b.repeats - $3 * b.tries) / greatest($4 * $5 - 1, 0.5), 1.02)) END AS wait_seconds
