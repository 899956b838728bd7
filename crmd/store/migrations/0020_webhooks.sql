-- Webhooks: addresses of other systems that are told of a workspace's events, what they are signed with, and what became
-- of each message.

CREATE TABLE crmd.webhook (
    id              uuid PRIMARY KEY DEFAULT crmd.uuid7(),
    workspace_id    uuid NOT NULL,
    url             text NOT NULL CHECK (length(url) BETWEEN 8 AND 2000),
    event_types     text[] NOT NULL CHECK (cardinality(event_types) BETWEEN 1 AND 50), -- contact.created, contact.*, *
    description     text NOT NULL DEFAULT '' CHECK (length(description) <= 500),
    created_at      timestamptz NOT NULL DEFAULT crmd.clock(),
    created_by      text NOT NULL,
    accepted_at     timestamptz,             -- when it last accepted a message, to the minute
    disabled_at     timestamptz,             -- NULL: it is enabled
    disabled_reason text,
    CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
);
CREATE INDEX webhook_workspace ON crmd.webhook (workspace_id, id);

-- Sealed; each seal is bound to its row. While one is replaced, messages are signed with both.
CREATE TABLE crmd.webhook_secret (
    id           uuid PRIMARY KEY,
    workspace_id uuid NOT NULL,
    webhook_id   uuid NOT NULL REFERENCES crmd.webhook ON DELETE CASCADE,
    ciphertext   text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT crmd.clock(),
    expires_at   timestamptz                 -- NULL: the current one
);
CREATE UNIQUE INDEX webhook_secret_current ON crmd.webhook_secret (workspace_id, webhook_id) WHERE expires_at IS NULL;
CREATE INDEX webhook_secret_webhook ON crmd.webhook_secret (webhook_id);

-- One message to one webhook: written with the event, in the transaction that emits it.
CREATE TABLE crmd.webhook_delivery (
    id            uuid PRIMARY KEY DEFAULT crmd.uuid7(),
    workspace_id  uuid NOT NULL,
    webhook_id    uuid NOT NULL REFERENCES crmd.webhook ON DELETE CASCADE,
    event_id      uuid NOT NULL,
    emitted_at    timestamptz NOT NULL,      -- of the event
    event_type    text NOT NULL,
    status        text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
    job_id        uuid,                      -- the newest job for it
    attempt_count integer NOT NULL DEFAULT 0,
    attempts      jsonb NOT NULL DEFAULT '[]', -- the newest: at, attempt, status, seconds, error
    ended_at      timestamptz
) WITH (fillfactor = 80);
-- However often an event is told, a webhook gets one message of it.
CREATE UNIQUE INDEX webhook_delivery_once ON crmd.webhook_delivery (workspace_id, webhook_id, event_id);
CREATE INDEX webhook_delivery_page ON crmd.webhook_delivery (webhook_id, id);
CREATE INDEX webhook_delivery_failed ON crmd.webhook_delivery (webhook_id, id) WHERE status = 'failed';

-- Sends a message: makes the job for it. What has been delivered is sent again, if somebody asks for that.
CREATE FUNCTION crmd.send_webhook(delivery_id uuid, meta jsonb, run_at timestamptz DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    d crmd.webhook_delivery;
    v_job uuid;
BEGIN
    SELECT * INTO d FROM crmd.webhook_delivery w WHERE w.id = send_webhook.delivery_id FOR UPDATE;
    SELECT q.id INTO v_job FROM crmd.enqueue_many('deliver-webhook',
        ARRAY[jsonb_build_object('deliveryId', d.id, 'webhookId', d.webhook_id)], d.workspace_id,
        run_at => send_webhook.run_at, meta => send_webhook.meta) q;
    UPDATE crmd.webhook_delivery w SET status = 'pending', ended_at = NULL, job_id = v_job WHERE w.id = d.id;
    RETURN v_job;
END $$;

-- Hears of events inside the transaction that emits them. A delivery that ends is nothing to be told of, or each would
-- bring about the next.
CREATE FUNCTION crmd.tell_webhooks(e crmd.event) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    v_id uuid;
BEGIN
    IF e.workspace_id IS NULL OR e.type = 'webhook.test'
       OR (e.type LIKE 'job.%' AND e.data ->> 'type' = 'deliver-webhook') THEN
        RETURN;
    END IF;
    FOR v_id IN
        WITH told AS (
            INSERT INTO crmd.webhook_delivery AS d (workspace_id, webhook_id, event_id, emitted_at, event_type)
            SELECT e.workspace_id, w.id, e.id, e.emitted_at, e.type FROM crmd.webhook w
            WHERE w.workspace_id = e.workspace_id AND w.disabled_at IS NULL
              AND w.event_types && crmd.event_patterns(e.type)
            ON CONFLICT DO NOTHING RETURNING d.id)
        SELECT t.id FROM told t
    LOOP
        PERFORM crmd.send_webhook(v_id, crmd.cause_json(e));
    END LOOP;
END $$;

-- The events that webhooks ask for are those that the function above hears of: what nobody asks for costs nothing.
-- Whether the ends of jobs are told of changes with it; crmd.hear_jobs is called after this has been committed.
CREATE FUNCTION crmd.hear_for_webhooks() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('crmd.hear_for_webhooks', 0));
    WITH wanted AS (
        SELECT DISTINCT t AS event_type FROM crmd.webhook w, unnest(w.event_types) t WHERE w.disabled_at IS NULL
    ), dropped AS (
        DELETE FROM crmd.event_function f
        WHERE f.function_name = 'crmd.tell_webhooks' AND f.event_type NOT IN (SELECT w.event_type FROM wanted w)
    )
    INSERT INTO crmd.event_function (event_type, function_name)
    SELECT w.event_type, 'crmd.tell_webhooks' FROM wanted w ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER webhook_heard AFTER INSERT OR DELETE OR UPDATE OF event_types, disabled_at ON crmd.webhook
    FOR EACH STATEMENT EXECUTE FUNCTION crmd.hear_for_webhooks();

-- Sends a message that says nothing, to see whether it arrives; answers its delivery. The webhook need not be enabled.
CREATE FUNCTION crmd.test_webhook(webhook_id uuid) RETURNS uuid
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    w crmd.webhook;
    v_event uuid;
    v_id uuid;
BEGIN
    SELECT * INTO w FROM crmd.webhook k WHERE k.id = test_webhook.webhook_id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    v_event := crmd.emit('webhook.test', jsonb_build_object('webhookId', w.id), w.workspace_id,
        aggregate_type => 'webhook', aggregate_id => w.id::text, metadata => '{"source": "crmd"}');
    INSERT INTO crmd.webhook_delivery AS d (workspace_id, webhook_id, event_id, emitted_at, event_type)
    SELECT e.workspace_id, w.id, e.id, e.emitted_at, e.type FROM crmd.event e
    WHERE e.id = v_event AND e.emitted_at >= crmd.clock() - interval '1 day'
    RETURNING d.id INTO v_id;
    PERFORM crmd.send_webhook(v_id, jsonb_build_object('event', 'webhook.test', 'causationId', v_event));
    RETURN v_id;
END $$;

-- Stops a webhook that cannot be reached, and tells its workspace. Answers whether it was enabled.
CREATE FUNCTION crmd.disable_webhook(webhook_id uuid, reason text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    w crmd.webhook;
BEGIN
    UPDATE crmd.webhook k SET disabled_at = crmd.clock(), disabled_reason = left(disable_webhook.reason, 500)
    WHERE k.id = disable_webhook.webhook_id AND k.disabled_at IS NULL RETURNING * INTO w;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM crmd.emit('webhook.disabled', jsonb_build_object('webhookId', w.id, 'reason', w.disabled_reason,
            'description', w.description), w.workspace_id, aggregate_type => 'webhook', aggregate_id => w.id::text,
        metadata => '{"source": "crmd"}');
    RETURN true;
END $$;

-- A workspace's own jobs, without what crmd does for it.
CREATE OR REPLACE VIEW crmd.background_jobs WITH (security_invoker = true) AS
    SELECT j.id, j.workspace_id, j.user_id, j.type, j.status, j.payload, j.result,
        (j.progress ->> 'total')::bigint AS total_items, (j.progress ->> 'done')::bigint AS processed_items,
        j.created_at, j.started_at, j.finished_at AS completed_at,
        j.errors -> -1 ->> 'message' AS error_message,
        greatest(j.attempt - 1, 0) AS retry_count, j.max_attempts - 1 AS max_retries
    FROM crmd.jobs j WHERE j.type <> 'deliver-webhook';

-- The daemons own these tables and are not held by policies; whoever reads as crmd_api is, and sees no secret.
ALTER TABLE crmd.webhook ENABLE ROW LEVEL SECURITY;
ALTER TABLE crmd.webhook_secret ENABLE ROW LEVEL SECURITY;
ALTER TABLE crmd.webhook_delivery ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON crmd.webhook FOR SELECT USING (workspace_id = (SELECT crmd.workspace_id()));
CREATE POLICY own_workspace ON crmd.webhook_delivery FOR SELECT USING (workspace_id = (SELECT crmd.workspace_id()));
REVOKE EXECUTE ON FUNCTION crmd.send_webhook, crmd.tell_webhooks, crmd.hear_for_webhooks, crmd.test_webhook,
    crmd.disable_webhook FROM PUBLIC;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'crmd_api') THEN
        GRANT SELECT ON crmd.webhook, crmd.webhook_delivery TO crmd_api;
    END IF;
END $$;

-- The type of an event stands in notices and indexes, which cannot hold a word of any length: beside a hundred ids, a
-- notice has room for this, however it is escaped. What is there already stays.
ALTER TABLE crmd.event ADD CONSTRAINT event_type_size CHECK (octet_length(type) BETWEEN 1 AND 400) NOT VALID;
