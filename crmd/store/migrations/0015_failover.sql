-- What each daemon found missing on a new primary, after a failover without synchronous replication: one row a daemon
-- and failover. Rows go with the time, see failover_tell.sql.
CREATE TABLE crmd.failover (
    id              uuid PRIMARY KEY,
    daemon_id       uuid NOT NULL,              -- the life that ended with the old timeline
    host            text NOT NULL,
    seen_at         timestamptz NOT NULL,
    timeline_before bigint NOT NULL,
    timeline_after  bigint NOT NULL,
    promoted_lsn    pg_lsn,                     -- the end of what came along; NULL: the server was restarted since
    kept_until      timestamptz,                -- commits of the old primary after this are lost, if there were any
    stopped         uuid[] NOT NULL,            -- jobs that ran, or whose outcome had no answer yet: they begin again
    claims_lost     uuid[] NOT NULL,            -- of those: jobs whose claim was lost
    outcomes_lost   uuid[] NOT NULL,            -- jobs that had ended, been snoozed …, and whose outcome was lost
    jobs_lost       uuid[] NOT NULL,            -- jobs that were claimed and are gone, with their enqueue
    checked         integer NOT NULL,           -- outcomes that the daemon remembered and looked for
    is_complete     boolean NOT NULL            -- the loss does not reach beyond what it remembered
);
CREATE INDEX failover_seen ON crmd.failover (seen_at);
