-- Where a look at the jobs begins: every transaction before `point` has ended, so that whatever changes from here on is
-- of `point` or a later one. No parameters.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS point, crmd.clock() AS clock
