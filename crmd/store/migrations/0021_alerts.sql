-- What is watched: figures of the whole fleet, gathered by one daemon for all, and alerts that were told.

-- One row: what the daemon that gathered last has found. Counts only grow, whoever gathers.
CREATE TABLE crmd.figures (
    is_only     boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    gathered_at timestamptz NOT NULL,
    counted_to  timestamptz NOT NULL,        -- jobs and events that were made up to here are in the counts
    enqueued    jsonb NOT NULL DEFAULT '{}', -- jobs by type
    emitted     jsonb NOT NULL DEFAULT '{}', -- events by the first word of their type
    fleet       jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);

-- A fault that was found, and how far the telling of it is. One row a fault, so that however many daemons look, it is
-- told once; the row goes when its end was told.
CREATE TABLE crmd.alert (
    fault        text PRIMARY KEY CHECK (length(fault) <= 300), -- as dead/sync-mail
    id           uuid NOT NULL,              -- of this occurrence: receivers know a repeated message by it
    kind         text NOT NULL,
    sentence     text NOT NULL,
    hint         text NOT NULL,
    opened_at    timestamptz NOT NULL,
    seen_at      timestamptz NOT NULL,       -- when it was last found
    recovered_at timestamptz,                -- it has not been found for long enough since
    told_open    text[] NOT NULL DEFAULT '{}',      -- ways on which its beginning was told, as mail
    told_end     text[] NOT NULL DEFAULT '{}',
    tries        integer NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL        -- when somebody may tell it; pushed on by whoever does
) WITH (fillfactor = 70);
