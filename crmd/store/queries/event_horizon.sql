-- The number up to which no event can appear any more; in a transaction of its own. No parameters.
SELECT crmd.settled_seq()
