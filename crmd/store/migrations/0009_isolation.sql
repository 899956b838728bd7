-- Isolation and blame: suspects, which run alone because a daemon died of one of them; what each plugin has cost; and
-- plugins that are kept from running for a while because their jobs crash.

-- Whether a claim runs in a process of its own as a suspect: its daemon's death is then no evidence against it.
ALTER TABLE crmd.lease ADD COLUMN is_alone boolean NOT NULL DEFAULT false;
CREATE INDEX job_suspect ON crmd.job (rank_at, id) WHERE held = 'suspect';

-- What the jobs of a plugin did to the daemons, added up for each day (UTC) over all of them.
CREATE TABLE crmd.blame (
    plugin         text NOT NULL,
    on_day         date NOT NULL,
    stalls         integer NOT NULL DEFAULT 0,           -- times that the event loop stood still
    stall_seconds  double precision NOT NULL DEFAULT 0,  -- the longest
    stall_place    text,                                 -- of the newest
    errors         jsonb NOT NULL DEFAULT '{}',          -- failed attempts by class of the error
    crashes        integer NOT NULL DEFAULT 0,           -- processes of its jobs that ended without an outcome
    crash_reason   text,                                 -- of the newest
    abandoned      integer NOT NULL DEFAULT 0,           -- jobs that did not let themselves be cancelled
    held           integer NOT NULL DEFAULT 0,           -- database connections kept for too long
    held_seconds   double precision NOT NULL DEFAULT 0,  -- the longest
    memory_mib     integer NOT NULL DEFAULT 0,           -- the most that a process of its jobs took
    growth_mib     integer NOT NULL DEFAULT 0,           -- of a daemon while no other plugin's job ran
    PRIMARY KEY (plugin, on_day)
) WITH (fillfactor = 50);

-- The newest crashes, for the decision whether a plugin goes on.
CREATE TABLE crmd.crash (
    plugin     text NOT NULL,
    job_id     uuid NOT NULL,
    crashed_at timestamptz NOT NULL,
    reason     text NOT NULL
);
CREATE INDEX crash_plugin ON crmd.crash (plugin, crashed_at);

-- A plugin whose jobs wait because they crash. It ends when somebody releases it, when another version of it is loaded,
-- or when a probe, one job alone after each waiting time, comes through.
CREATE TABLE crmd.quarantine (
    plugin         text PRIMARY KEY,
    version        text NOT NULL,             -- distribution and version that crashed
    reason         text NOT NULL,
    quarantined_at timestamptz NOT NULL,
    probe_at       timestamptz NOT NULL,      -- when one job may try; moved on by whoever lets it
    probes         integer NOT NULL DEFAULT 0,
    probe_job      uuid                       -- the one that may run, alone
);
