-- Folds interactions and merges into the statistics of contacts: see contacts.fold_stats.
-- $1 integer: generation  $2 bigint: behind this seq  $3 bigint: up to this one. Index: event_workspace, touch_pkey.
SELECT contacts.fold_stats($1, $2, $3)
