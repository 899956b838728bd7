-- The CRM's data model, schema crm: who works here, whom they know, what was written and what came of it.
--
-- Promises every table keeps:
--   * workspace_id is NOT NULL and stands first in every primary key, unique index and foreign key, so that no row can
--     even refer to another tenant's row, and the whole schema can be sharded by it;
--   * row-level security is enabled and FORCED (the owner obeys too) with one policy, for reading and for writing:
--     workspace_id = crmd.workspace_id(). Without a workspace set, that is NULL and nothing is seen or written;
--   * times are timestamptz, addresses and domains are lower-case, phone numbers E.164.
CREATE SCHEMA IF NOT EXISTS crm;
COMMENT ON SCHEMA crm IS 'The CRM''s data model; owned by the plugin crmd-crm';

-- One tenant. Its key is called workspace_id as everywhere else, so the same policy fits it.
CREATE TABLE crm.workspace (
    workspace_id uuid PRIMARY KEY,
    name         text NOT NULL,
    timezone     text NOT NULL DEFAULT 'UTC',              -- IANA name, e.g. Europe/Berlin
    created_at   timestamptz NOT NULL DEFAULT now()
);

-- A person who works in the CRM (not somebody they know: that is a contact).
CREATE TABLE crm.app_user (
    workspace_id uuid NOT NULL REFERENCES crm.workspace (workspace_id) ON DELETE CASCADE,
    id           uuid NOT NULL DEFAULT gen_random_uuid(),
    name         text NOT NULL DEFAULT '',
    email        text NOT NULL CHECK (email = lower(email)),
    timezone     text,                                     -- NULL: the workspace's
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, email)
);

CREATE TABLE crm.company (
    workspace_id  uuid NOT NULL,
    id            uuid NOT NULL DEFAULT gen_random_uuid(),
    name          text NOT NULL,
    domain        text CHECK (domain = lower(domain)),     -- registrable domain; NULL when only the name is known
    website       text,
    industry      text,
    location      text,
    edited_fields text[] NOT NULL DEFAULT '{}',            -- columns a person edited: machines never overwrite them
    source        text NOT NULL DEFAULT 'manual',
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id)
);
CREATE UNIQUE INDEX company_domain ON crm.company (workspace_id, domain) WHERE domain IS NOT NULL;
CREATE INDEX company_name ON crm.company (workspace_id, lower(name));

-- A person outside. Addresses, phones and links are tables of their own since people have several.
CREATE TABLE crm.contact (
    workspace_id  uuid NOT NULL,
    id            uuid NOT NULL DEFAULT gen_random_uuid(),
    full_name     text NOT NULL DEFAULT '',                -- as shown; '' when only an address is known
    given_name    text,
    family_name   text,
    name_prefix   text,
    name_suffix   text,
    title         text,                                    -- job title
    company_id    uuid,
    location      text,
    edited_fields text[] NOT NULL DEFAULT '{}',            -- columns a person edited: machines never overwrite them
    source        text NOT NULL DEFAULT 'manual',          -- what made the row: manual, mail, import, …
    merged_into   uuid,                                    -- set: this row is a duplicate, kept so that old ids resolve
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, company_id) REFERENCES crm.company (workspace_id, id) ON DELETE SET NULL (company_id),
    FOREIGN KEY (workspace_id, merged_into) REFERENCES crm.contact (workspace_id, id) ON DELETE SET NULL (merged_into),
    CHECK (merged_into <> id)
);
CREATE INDEX contact_company ON crm.contact (workspace_id, company_id) WHERE company_id IS NOT NULL;
CREATE INDEX contact_merged_into ON crm.contact (workspace_id, merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX contact_name ON crm.contact (workspace_id, lower(full_name)) WHERE merged_into IS NULL;

-- An address belongs to one contact of a workspace: the primary key is what makes two syncs agree on one person.
CREATE TABLE crm.contact_email (
    workspace_id uuid NOT NULL,
    address      text NOT NULL CHECK (address = lower(address)),
    contact_id   uuid NOT NULL,
    is_primary   boolean NOT NULL DEFAULT false,
    source       text NOT NULL DEFAULT 'manual',
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, address),
    FOREIGN KEY (workspace_id, contact_id) REFERENCES crm.contact (workspace_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX contact_email_primary ON crm.contact_email (workspace_id, contact_id) WHERE is_primary;
CREATE INDEX contact_email_contact ON crm.contact_email (workspace_id, contact_id);

-- A number may belong to several contacts (a switchboard), so the contact is part of the key.
CREATE TABLE crm.contact_phone (
    workspace_id uuid NOT NULL,
    contact_id   uuid NOT NULL,
    number       text NOT NULL,                            -- E.164, e.g. +493012345678
    extension    text NOT NULL DEFAULT '',
    kind         text NOT NULL DEFAULT 'other' CHECK (kind IN ('work', 'mobile', 'home', 'fax', 'other')),
    raw          text NOT NULL DEFAULT '',                 -- as it was written
    source       text NOT NULL DEFAULT 'manual',
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, contact_id, number, extension),
    FOREIGN KEY (workspace_id, contact_id) REFERENCES crm.contact (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX contact_phone_number ON crm.contact_phone (workspace_id, number);

CREATE TABLE crm.contact_link (
    workspace_id uuid NOT NULL,
    contact_id   uuid NOT NULL,
    url          text NOT NULL,
    kind         text NOT NULL DEFAULT 'website',          -- website, linkedin, github, …
    source       text NOT NULL DEFAULT 'manual',
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, contact_id, url),
    FOREIGN KEY (workspace_id, contact_id) REFERENCES crm.contact (workspace_id, id) ON DELETE CASCADE
);

-- The log of merges: which rows were found to be one person, why and how sure, so that a merge can be explained or undone.
CREATE TABLE crm.contact_merge (
    workspace_id uuid NOT NULL,
    id           uuid NOT NULL DEFAULT gen_random_uuid(),
    kept_id      uuid NOT NULL,
    merged_id    uuid NOT NULL,
    reason       text NOT NULL,                            -- address, phone, name_and_company, person's decision, …
    score        real,                                     -- 0..1; NULL when certain
    evidence     jsonb NOT NULL DEFAULT '{}',
    merged_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, kept_id) REFERENCES crm.contact (workspace_id, id) ON DELETE CASCADE,
    FOREIGN KEY (workspace_id, merged_id) REFERENCES crm.contact (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX contact_merge_kept ON crm.contact_merge (workspace_id, kept_id);
CREATE INDEX contact_merge_merged ON crm.contact_merge (workspace_id, merged_id);

-- A conversation as the provider groups it. The four derived columns are recomputed with every stored batch.
CREATE TABLE crm.thread (
    workspace_id       uuid NOT NULL,
    id                 uuid NOT NULL DEFAULT gen_random_uuid(),
    connection_id      uuid NOT NULL,                      -- crmd's connection; its removal doesn't remove mail
    provider_thread_id text NOT NULL,
    subject            text NOT NULL DEFAULT '',           -- of the first message
    message_count      integer NOT NULL DEFAULT 0,
    first_message_at   timestamptz,
    last_message_at    timestamptz,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, connection_id, provider_thread_id)
) WITH (fillfactor = 90);
CREATE INDEX thread_last_message ON crm.thread (workspace_id, last_message_at DESC);

-- One message of one mailbox. (workspace_id, connection_id, provider_id) is the idempotency key of a sync; the header
-- Message-ID is not unique in real mail and is only looked up.
CREATE TABLE crm.message (
    workspace_id        uuid NOT NULL,
    id                  uuid NOT NULL DEFAULT gen_random_uuid(),
    connection_id       uuid NOT NULL,
    provider_id         text NOT NULL,
    thread_id           uuid NOT NULL,
    provider_history_id bigint NOT NULL DEFAULT 0,         -- provider's version; an older one never overwrites a newer
    rfc822_message_id   text,                              -- without < >
    in_reply_to         text,
    references_ids      text[] NOT NULL DEFAULT '{}',
    kind                text NOT NULL DEFAULT 'mail' CHECK (kind IN ('mail', 'bulk', 'bounce', 'auto_reply', 'feedback')),
    direction           text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    subject             text NOT NULL DEFAULT '',
    from_name           text NOT NULL DEFAULT '',
    from_address        text,                              -- lower-case; NULL when the message names none
    sent_at             timestamptz,                       -- the Date header; NULL when absent or junk
    received_at         timestamptz NOT NULL,              -- the provider's instant; sorts the mailbox
    snippet             text NOT NULL DEFAULT '',
    body_text           text NOT NULL DEFAULT '',
    body_html           text,
    labels              text[] NOT NULL DEFAULT '{}',      -- sorted, the provider's names
    is_unread           boolean NOT NULL DEFAULT false,
    is_draft            boolean NOT NULL DEFAULT false,
    has_attachments     boolean NOT NULL DEFAULT false,
    bounce              jsonb,                             -- {"recipients": [{address, action, status, diagnostic}], …}
    defects             text[] NOT NULL DEFAULT '{}',      -- what was wrong with the message, as short codes
    size_bytes          integer NOT NULL DEFAULT 0,
    raw_sha256          bytea,                             -- of the bytes that were parsed
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, connection_id, provider_id),
    FOREIGN KEY (workspace_id, thread_id) REFERENCES crm.thread (workspace_id, id) ON DELETE CASCADE,
    CHECK ((kind IN ('bounce', 'feedback')) OR bounce IS NULL)
) WITH (fillfactor = 90);                                  -- labels and read state change in place
CREATE INDEX message_thread ON crm.message (workspace_id, thread_id, received_at);
CREATE INDEX message_mailbox ON crm.message (workspace_id, connection_id, received_at DESC);
CREATE INDEX message_header_id ON crm.message (workspace_id, rfc822_message_id) WHERE rfc822_message_id IS NOT NULL;

-- Everybody a message names, in the header's order.
CREATE TABLE crm.message_address (
    workspace_id uuid NOT NULL,
    message_id   uuid NOT NULL,
    role         text NOT NULL CHECK (role IN ('from', 'sender', 'reply_to', 'to', 'cc', 'bcc')),
    position     integer NOT NULL,                         -- from 0, per role
    name         text NOT NULL DEFAULT '',
    address      text,                                     -- lower-case; NULL: only a name was written
    PRIMARY KEY (workspace_id, message_id, role, position),
    FOREIGN KEY (workspace_id, message_id) REFERENCES crm.message (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX message_address_address ON crm.message_address (workspace_id, address) WHERE address IS NOT NULL;

-- What is attached, never the bytes: those stay with the provider.
CREATE TABLE crm.attachment (
    workspace_id uuid NOT NULL,
    message_id   uuid NOT NULL,
    position     integer NOT NULL,                         -- from 0, in the order of the MIME tree
    filename     text NOT NULL DEFAULT '',
    content_type text NOT NULL,
    size_bytes   integer NOT NULL,                         -- decoded
    content_id   text,                                     -- without < >
    is_inline    boolean NOT NULL DEFAULT false,           -- shown inside the text, like a logo
    PRIMARY KEY (workspace_id, message_id, position),
    FOREIGN KEY (workspace_id, message_id) REFERENCES crm.message (workspace_id, id) ON DELETE CASCADE
);

-- What happened between us and a contact, one row per happening, however often it is recorded.
CREATE TABLE crm.interaction (
    workspace_id uuid NOT NULL,
    id           uuid NOT NULL DEFAULT gen_random_uuid(),
    contact_id   uuid NOT NULL,
    user_id      uuid,
    kind         text NOT NULL CHECK (kind IN ('email', 'meeting', 'call', 'sms', 'note', 'task')),
    direction    text CHECK (direction IN ('inbound', 'outbound')),
    source_id    uuid NOT NULL DEFAULT gen_random_uuid(),  -- the message, event, … it was made from
    summary      text NOT NULL DEFAULT '',
    data         jsonb NOT NULL DEFAULT '{}',
    occurred_at  timestamptz NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, contact_id, kind, source_id),
    FOREIGN KEY (workspace_id, contact_id) REFERENCES crm.contact (workspace_id, id) ON DELETE CASCADE,
    FOREIGN KEY (workspace_id, user_id) REFERENCES crm.app_user (workspace_id, id) ON DELETE SET NULL (user_id)
);
CREATE INDEX interaction_timeline ON crm.interaction (workspace_id, contact_id, occurred_at DESC);
CREATE INDEX interaction_source ON crm.interaction (workspace_id, source_id);
CREATE INDEX interaction_user ON crm.interaction (workspace_id, user_id) WHERE user_id IS NOT NULL;

-- Something a provider calls a message which can't be one: kept apart with the reason, so that a sync goes on.
CREATE TABLE crm.quarantine (
    workspace_id  uuid NOT NULL,
    connection_id uuid NOT NULL,
    provider_id   text NOT NULL,
    reason        text NOT NULL,                           -- one sentence
    size_bytes    bigint NOT NULL,
    raw_sha256    bytea NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, connection_id, provider_id)
);

-- People as other plugins list them: duplicates resolved away, the primary address beside the name.
CREATE VIEW crm.person WITH (security_invoker = true) AS
SELECT c.workspace_id, c.id, c.full_name, c.title, e.address AS email, c.company_id, o.name AS company, c.updated_at
FROM crm.contact c
LEFT JOIN crm.contact_email e ON e.workspace_id = c.workspace_id AND e.contact_id = c.id AND e.is_primary
LEFT JOIN crm.company o ON o.workspace_id = c.workspace_id AND o.id = c.company_id
WHERE c.merged_into IS NULL;

DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'crm'::regnamespace AND c.relkind = 'r' LOOP
        EXECUTE format('ALTER TABLE crm.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE crm.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY workspace ON crm.%I USING (workspace_id = crmd.workspace_id())'
                       ' WITH CHECK (workspace_id = crmd.workspace_id())', name);
    END LOOP;
    -- Fuzzy search for duplicates is faster with trigrams, and works without them.
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
        EXECUTE format('CREATE INDEX contact_name_trigram ON crm.contact USING gin (full_name %s.gin_trgm_ops)',
                       (SELECT x.extnamespace::regnamespace FROM pg_extension x WHERE x.extname = 'pg_trgm'));
    END IF;
END
$$;

SELECT crmd.grant_app('crm');
