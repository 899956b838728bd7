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

-- A gate is a breaker, too: calls in a row that failed are counted on it, over all daemons. From some count on each
-- further one closes it, and when such a gate opens by itself, the first who comes closes it again behind itself and
-- tries; the others wait. The first answer sets the count back.
ALTER TABLE crmd.gate ADD COLUMN failures integer NOT NULL DEFAULT 0;

-- A bucket refills more slowly after its provider has refused: half as fast at once, a little faster every minute.
ALTER TABLE crmd.bucket
    ADD COLUMN pace double precision NOT NULL DEFAULT 1,  -- share of the declared rate, as of slowed_at
    ADD COLUMN slowed_at timestamptz,
    ADD COLUMN slowed_for text,                           -- what the provider said
    ADD COLUMN units_per_second double precision,         -- as declared at the newest take
    ADD COLUMN burst double precision,
    ADD COLUMN granted double precision;                  -- units of the newest take

-- The share of the declared rate at an instant: additive recovery, a tenth of the rate in a minute.
CREATE FUNCTION crmd.pace_at(pace double precision, slowed_at timestamptz, at timestamptz) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN pace_at.slowed_at IS NULL THEN 1.0
                ELSE least(1.0, pace_at.pace + extract(epoch FROM pace_at.at - pace_at.slowed_at)::float8 / 600.0) END
$$;

-- First tries and repeats of requests to one provider, over all daemons, fading with time: an old one counts for less.
CREATE TABLE crmd.retry_budget (
    provider   text PRIMARY KEY,
    tries      double precision NOT NULL,
    repeats    double precision NOT NULL,
    is_granted boolean NOT NULL,                          -- what the newest question was answered
    counted_at timestamptz NOT NULL
) WITH (fillfactor = 50);

REVOKE EXECUTE ON FUNCTION crmd.pace_at FROM PUBLIC;
