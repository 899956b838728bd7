-- What passed between us and each contact, summed up from events.
--
-- Two tables hold what the events say, one what follows from it: the statistics of a contact are computed from all that
-- is known about it whenever something is added, so that the order of events does not matter, nor how they are cut
-- into batches. A contact that was merged counts with the one that was kept, and ids of both still fit.
CREATE TABLE contacts.touch (
    workspace_id   uuid NOT NULL,
    generation     integer NOT NULL,
    interaction_id uuid NOT NULL,
    contact_id     uuid NOT NULL,                          -- as the event names it
    kind           text COLLATE "C" NOT NULL,
    direction      text COLLATE "C",                       -- inbound, outbound; NULL where there is none
    thread_id      text COLLATE "C" NOT NULL DEFAULT '',
    occurred_at    timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, generation, contact_id, interaction_id)
);

CREATE TABLE contacts.same_person (
    workspace_id uuid NOT NULL,
    generation   integer NOT NULL,
    contact_id   uuid NOT NULL,
    kept_id      uuid NOT NULL,
    PRIMARY KEY (workspace_id, generation, contact_id)
);
CREATE INDEX same_person_kept ON contacts.same_person (workspace_id, generation, kept_id);

CREATE TABLE contacts.stats_fold (
    workspace_id uuid NOT NULL,
    generation   integer NOT NULL,
    contact_id   uuid NOT NULL,
    sent         integer NOT NULL,                         -- messages to the contact
    received     integer NOT NULL,                         -- messages from the contact
    meetings     integer NOT NULL,
    last_interaction_at timestamptz NOT NULL,
    median_response_seconds double precision,              -- from our message to the answer, within a thread
    PRIMARY KEY (workspace_id, generation, contact_id)
) WITH (fillfactor = 70);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['touch', 'same_person', 'stats_fold'] LOOP
        EXECUTE format('ALTER TABLE contacts.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE contacts.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY workspace ON contacts.%I USING (workspace_id = crmd.workspace_id())'
                       ' WITH CHECK (workspace_id = crmd.workspace_id())', name);
    END LOOP;
END $$;

-- What readers see.
CREATE VIEW contacts.contact_stats WITH (security_invoker = true) AS
SELECT f.workspace_id, f.contact_id, f.sent, f.received, f.meetings, f.last_interaction_at, f.median_response_seconds
FROM contacts.stats_fold f WHERE f.generation = crmd.generation('contact-stats');

-- Computes the statistics of some contacts anew, under the id that was kept of each.
CREATE FUNCTION contacts.sum_up(p_generation integer, p_contacts uuid[]) RETURNS void
LANGUAGE plpgsql SET work_mem = '64MB' AS $$
DECLARE
    v_workspace uuid := crmd.workspace_id();
BEGIN
    DELETE FROM contacts.stats_fold f
    WHERE f.workspace_id = v_workspace AND f.generation = p_generation AND f.contact_id = ANY (p_contacts);
    WITH RECURSIVE upward AS (
        SELECT c.id AS asked, c.id FROM unnest(p_contacts) c(id)
        UNION
        SELECT u.asked, s.kept_id FROM upward u JOIN contacts.same_person s
            ON s.workspace_id = v_workspace AND s.generation = p_generation AND s.contact_id = u.id
    ), kept AS (
        SELECT DISTINCT u.id FROM upward u WHERE NOT EXISTS (
            SELECT FROM contacts.same_person s
            WHERE s.workspace_id = v_workspace AND s.generation = p_generation AND s.contact_id = u.id)
    ), member AS (
        SELECT k.id AS kept_id, k.id FROM kept k
        UNION
        SELECT m.kept_id, s.contact_id FROM member m JOIN contacts.same_person s
            ON s.workspace_id = v_workspace AND s.generation = p_generation AND s.kept_id = m.id
    ), happened AS (
        SELECT m.kept_id, t.kind, t.direction, t.occurred_at,
            CASE WHEN t.kind = 'email' AND t.direction = 'inbound' AND lag(t.direction) OVER turns = 'outbound'
                THEN extract(epoch FROM t.occurred_at - lag(t.occurred_at) OVER turns)::double precision END AS response
        FROM member m JOIN contacts.touch t
            ON t.workspace_id = v_workspace AND t.generation = p_generation AND t.contact_id = m.id
        WINDOW turns AS (PARTITION BY m.kept_id, t.kind, t.thread_id ORDER BY t.occurred_at, t.interaction_id)
    )
    INSERT INTO contacts.stats_fold AS f (workspace_id, generation, contact_id, sent, received, meetings,
        last_interaction_at, median_response_seconds)
    SELECT v_workspace, p_generation, h.kept_id,
        count(*) FILTER (WHERE h.kind = 'email' AND h.direction = 'outbound'),
        count(*) FILTER (WHERE h.kind = 'email' AND h.direction = 'inbound'),
        count(*) FILTER (WHERE h.kind = 'meeting'), max(h.occurred_at),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY h.response)
    FROM happened h GROUP BY h.kept_id
    ON CONFLICT (workspace_id, generation, contact_id) DO UPDATE SET sent = excluded.sent, received = excluded.received,
        meetings = excluded.meetings, last_interaction_at = excluded.last_interaction_at,
        median_response_seconds = excluded.median_response_seconds;
END $$;

-- Folds the events of a range of the order in.
CREATE FUNCTION contacts.fold_stats(p_generation integer, p_behind bigint, p_upto bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_contacts uuid[];
BEGIN
    WITH added AS (
        INSERT INTO contacts.touch AS t (workspace_id, generation, interaction_id, contact_id, kind, direction, thread_id,
            occurred_at)
        SELECT crmd.workspace_id(), p_generation, (e.data ->> 'interactionId')::uuid, (e.data ->> 'contactId')::uuid,
            e.data ->> 'kind', e.data ->> 'direction', coalesce(e.data ->> 'threadId', ''),
            (e.data ->> 'occurredAt')::timestamptz
        FROM crmd.workspace_events e
        WHERE e.seq > p_behind AND e.seq <= p_upto AND e.type = 'interaction.recorded'
        ON CONFLICT DO NOTHING
        RETURNING t.contact_id
    ), said AS (
        SELECT DISTINCT ON (e.data ->> 'mergedContactId') (e.data ->> 'mergedContactId')::uuid AS contact_id,
            (e.data ->> 'contactId')::uuid AS kept_id
        FROM crmd.workspace_events e
        WHERE e.seq > p_behind AND e.seq <= p_upto AND e.type = 'contact.merged'
        ORDER BY e.data ->> 'mergedContactId', e.seq DESC
    ), merged AS (
        INSERT INTO contacts.same_person AS s (workspace_id, generation, contact_id, kept_id)
        SELECT crmd.workspace_id(), p_generation, m.contact_id, m.kept_id FROM said m
        ON CONFLICT (workspace_id, generation, contact_id) DO UPDATE SET kept_id = excluded.kept_id
        RETURNING s.contact_id
    )
    SELECT array_agg(DISTINCT c.contact_id) INTO v_contacts
    FROM (SELECT a.contact_id FROM added a UNION ALL SELECT m.contact_id FROM merged m
          UNION ALL SELECT s.kept_id FROM contacts.same_person s JOIN said m USING (contact_id) -- whom it was merged into before
          WHERE s.workspace_id = crmd.workspace_id() AND s.generation = p_generation) c;
    IF v_contacts IS NOT NULL THEN
        PERFORM contacts.sum_up(p_generation, v_contacts);
    END IF;
END $$;

SELECT crmd.grant_app('contacts');
