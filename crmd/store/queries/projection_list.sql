-- Every generation of every projection, and how far it is behind. $1 bigint: settled seq. Index: none; there are few.
SELECT p.name, p.generation, p.state, p.plugin, p.version, p.seq, greatest($1 - p.seq, 0) AS behind, p.folded_at, p.error,
    p.retry_at
FROM crmd.projection p ORDER BY p.name, p.generation
