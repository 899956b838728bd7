-- Keeps what a failover cost a daemon, for `crmd doctor`; rows of ninety days ago go.
-- What came along ends where the server stopped replaying: it knows until it is restarted. After that both are NULL.
-- $1 uuid: daemon id  $2 text: host  $3 bigint, $4 bigint: timelines before, after  $5 uuid[]: jobs stopped
-- $6 uuid[]: claims lost  $7 uuid[]: outcomes lost  $8 uuid[]: jobs lost  $9 int: outcomes looked for
-- $10 bool: whether that is all. Index: failover_seen.
WITH gone AS (
    DELETE FROM crmd.failover WHERE seen_at < (SELECT crmd.clock()) - interval '90 days'
)
INSERT INTO crmd.failover (id, daemon_id, host, seen_at, timeline_before, timeline_after, promoted_lsn, kept_until,
    stopped, claims_lost, outcomes_lost, jobs_lost, checked, is_complete)
VALUES (crmd.uuid7(), $1, $2, crmd.clock(), $3, $4, pg_last_wal_replay_lsn(), pg_last_xact_replay_timestamp(),
    $5, $6, $7, $8, $9, $10)
RETURNING kept_until
