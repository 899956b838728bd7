-- How many effects stand in which state, by kind; reads the table's partial indexes.
-- No parameters. Index: effect_open, effect_over.
SELECT e.kind, e.state, count(*) AS effects FROM crmd.effect e GROUP BY e.kind, e.state ORDER BY e.kind, e.state
