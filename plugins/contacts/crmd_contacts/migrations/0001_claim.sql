-- What mail says about people, schema contacts: the evidence from which crm.contact is derived.
--
-- Claims only ever add up: a statement about an address is inserted once, and only its instant and rank can grow. What
-- a contact shows is a function of the set of claims, so jobs may read messages in any order, side by side or twice.
CREATE SCHEMA IF NOT EXISTS contacts;
COMMENT ON SCHEMA contacts IS 'Evidence about people from mail; owned by the plugin crmd-contacts';

CREATE TABLE contacts.claim (
    workspace_id uuid NOT NULL,
    address      text NOT NULL CHECK (address = lower(address)),
    field        text NOT NULL CHECK (field IN ('name', 'title', 'company', 'phone', 'link')),
    value        text NOT NULL,                            -- a phone is E.164;extension
    match_key    text NOT NULL,                            -- the value folded; a phone's E.164 alone
    domain       text NOT NULL DEFAULT '',                 -- company behind the address, or of the company claimed; '' for none
    rank         smallint NOT NULL DEFAULT 0,              -- of a name: completeness, then who says it
    kind         text NOT NULL DEFAULT '',                 -- of a phone or link
    detail       text NOT NULL DEFAULT '',                 -- a phone as it was written
    as_of        timestamptz NOT NULL,                     -- received_at of the newest message that says it
    PRIMARY KEY (workspace_id, address, field, value)
) WITH (fillfactor = 90);
CREATE INDEX claim_match ON contacts.claim (workspace_id, field, match_key);
CREATE INDEX claim_domain ON contacts.claim (workspace_id, domain, field) WHERE domain <> '';

-- Messages that were read, and by which version of the rules: a second job for one of them has nothing to do.
CREATE TABLE contacts.reading (
    workspace_id  uuid NOT NULL,
    message_id    uuid NOT NULL,
    rules_version integer NOT NULL,
    PRIMARY KEY (workspace_id, message_id),
    FOREIGN KEY (workspace_id, message_id) REFERENCES crm.message (workspace_id, id) ON DELETE CASCADE
);

ALTER TABLE contacts.claim ENABLE ROW LEVEL SECURITY;
ALTER TABLE contacts.claim FORCE ROW LEVEL SECURITY;
CREATE POLICY workspace ON contacts.claim USING (workspace_id = crmd.workspace_id())
    WITH CHECK (workspace_id = crmd.workspace_id());
ALTER TABLE contacts.reading ENABLE ROW LEVEL SECURITY;
ALTER TABLE contacts.reading FORCE ROW LEVEL SECURITY;
CREATE POLICY workspace ON contacts.reading USING (workspace_id = crmd.workspace_id())
    WITH CHECK (workspace_id = crmd.workspace_id());

SELECT crmd.grant_app('contacts');
