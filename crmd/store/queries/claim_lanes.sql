-- Claims jobs with keys; see crmd.take_lanes for what it answers and why it is one call: between the lock of a limit
-- and its release nobody may wait for an event loop.
-- $1 text: queue  $2 text[], $3 int[]: lanes in the order of their turns, and how many of each  $4 int: how many in all
-- $5 uuid: claim id  $6 uuid: daemon id  $7 text[]: job types that rest
-- $8 text[], $9 int[]: limits that count inside this daemon, and what is free of them
-- Index: job_lane (queue, lane, rank_at, id), lease_type_lane (type, lane).
SELECT * FROM crmd.take_lanes($1, $2, $3, $4, $5, $6, $7, $8, $9)
