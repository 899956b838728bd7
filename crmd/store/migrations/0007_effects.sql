-- What leaves the house: the ledger of effects that must happen once, and what keeps the fleet from pressing a provider.

-- One row per thing that is to happen once outside: a mail, an SMS, a POST. It is handed over in a commit of its own
-- before the first byte leaves, so that whatever dies afterwards leaves a row that says "perhaps". The row's id is the
-- idempotency key that the receiver gets, the same each time.
--
--   planned      nothing was sent yet; allowed later, or never looked at again
--   handed_over  the claim (job_id, fence, claim_id) is sending; when that claim is gone: unknown
--   confirmed    the receiver took it; receipt holds what it answered
--   refused      surely not taken; it may be tried again
--   unknown      perhaps taken; nobody sends it again before somebody knows, or the job type says that it may
CREATE TABLE crmd.effect (
    id             uuid PRIMARY KEY DEFAULT crmd.uuid7(),
    workspace_id   uuid,                         -- NULL: an effect of the installation itself
    kind           text NOT NULL CHECK (length(kind) BETWEEN 1 AND 100),
    key            text NOT NULL CHECK (length(key) BETWEEN 1 AND 500),
    state          text NOT NULL DEFAULT 'planned'
                   CHECK (state IN ('planned', 'handed_over', 'confirmed', 'refused', 'unknown')),
    job_id         uuid NOT NULL,                -- the job that planned it, then the one that handed it over last
    job_type       text NOT NULL,
    fence          bigint,                       -- with claim_id: the claim that handed it over last
    claim_id       uuid,
    handovers      integer NOT NULL DEFAULT 0,   -- how often it was handed over; names the hand-over in later writes
    receipt        jsonb,
    reason         text,                         -- why it is refused or unknown, for people
    waiting        uuid[] NOT NULL DEFAULT '{}', -- the jobs that are held until it is resolved
    planned_at     timestamptz NOT NULL,
    handed_over_at timestamptz,
    changed_at     timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (workspace_id, kind, key)
) WITH (fillfactor = 70);
-- Few rows at any time: what is on its way, and what somebody has to look at.
CREATE INDEX effect_open ON crmd.effect (id) WHERE state IN ('handed_over', 'unknown');
CREATE INDEX effect_over ON crmd.effect (changed_at) WHERE state IN ('planned', 'confirmed', 'refused');
CREATE INDEX effect_job ON crmd.effect (job_id);
-- The jobs that wait for one; few, and looked at whole.
CREATE INDEX job_reconcile ON crmd.job (id) WHERE held = 'reconcile';

ALTER TABLE crmd.effect ENABLE ROW LEVEL SECURITY;
ALTER TABLE crmd.effect FORCE ROW LEVEL SECURITY;
CREATE POLICY effect_workspace ON crmd.effect
    USING (workspace_id = crmd.workspace_id()) WITH CHECK (workspace_id = crmd.workspace_id());
CREATE POLICY effect_engine ON crmd.effect TO CURRENT_USER USING (true) WITH CHECK (true);
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'crmd_app') THEN
        GRANT SELECT ON crmd.effect TO crmd_app; -- a campaign counts what it has sent; only the engine writes
    END IF;
END $$;
