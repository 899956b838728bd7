-- What Gmail's history told of messages that were not stored at that moment, schema gmail.
--
-- A message is fetched at one moment and stored at a later one, by jobs that run beside the sync of changes. If it is
-- deleted or relabelled between the two, the change finds no row, and the older state would be stored after it. So
-- such changes are noted here, and whoever stores a message looks here first, under a lock on the mailbox that the
-- sync of changes takes alone.
CREATE SCHEMA IF NOT EXISTS gmail;
COMMENT ON SCHEMA gmail IS 'What a sync of Gmail must remember beside the mail; owned by the plugin crmd-gmail';

CREATE TABLE gmail.told (
    workspace_id  uuid NOT NULL,
    connection_id uuid NOT NULL,
    provider_id   text NOT NULL,
    history_id    bigint NOT NULL,                         -- the newest change that was told; 0 when Gmail says no number
    is_gone       boolean NOT NULL DEFAULT false,          -- deleted for good; Gmail never gives an id twice
    told_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, connection_id, provider_id)
);
CREATE INDEX told_age ON gmail.told (workspace_id, connection_id, told_at);

ALTER TABLE gmail.told ENABLE ROW LEVEL SECURITY;
ALTER TABLE gmail.told FORCE ROW LEVEL SECURITY;
CREATE POLICY workspace ON gmail.told USING (workspace_id = crmd.workspace_id())
    WITH CHECK (workspace_id = crmd.workspace_id());

SELECT crmd.grant_app('gmail');
