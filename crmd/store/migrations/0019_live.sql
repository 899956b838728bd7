-- Live streams: what has ended lately in a workspace, and which daemons have watchers of what.

CREATE INDEX archive_workspace_finished ON crmd.archive (workspace_id, finished_at)
    WHERE workspace_id IS NOT NULL AND type <> 'deliver-webhook';

-- Daemons with open streams. While there is a row, other daemons tell at once what they change in these workspaces; it is
-- a hint: every daemon also looks by itself.
CREATE TABLE crmd.watching (
    id         uuid PRIMARY KEY,             -- of the hub, random per start
    workspaces uuid[],                       -- NULL: all, and jobs of none
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);
