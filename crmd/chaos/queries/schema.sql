-- What a run keeps beside crmd's own tables: what jobs write, and the whole history of leases, which crmd itself
-- forgets when a lease is gone. Installed into the scratch database only, after crmd's migrations. No parameters.
CREATE SCHEMA chaos;
-- What jobs write under their leases; held_ columns are what the lease itself says in the same transaction.
CREATE TABLE chaos.write (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id            uuid NOT NULL,
    name              text NOT NULL,
    fence             bigint NOT NULL,
    claim_id          uuid NOT NULL,
    workspace_id      uuid,
    seen_count        integer NOT NULL,
    held_fence        bigint,
    held_claim_id     uuid,
    held_workspace_id uuid,
    written_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- One row per tenant, to show that a job sees its own and no other.
CREATE TABLE chaos.tenant (workspace_id uuid);
CREATE TABLE chaos.claim (
    job_id         uuid NOT NULL,
    fence          bigint NOT NULL,
    claim_id       uuid NOT NULL,
    pid            integer,
    is_daemon_dead boolean NOT NULL,
    type           text NOT NULL,
    lane           text,
    unique_key     text,
    attempt        integer NOT NULL,
    snooze_count   integer NOT NULL,
    run_at         timestamptz NOT NULL,
    claimed_at     timestamptz NOT NULL
);
CREATE TABLE chaos.gone (
    job_id   uuid NOT NULL,
    fence    bigint NOT NULL,
    claim_id uuid NOT NULL,
    gone_at  timestamptz NOT NULL
);
-- When daemons came; those that are there already count from now on.
CREATE TABLE chaos.birth AS SELECT d.pid, clock_timestamp() AS born_at FROM crmd.daemon d;
-- The lease is locked by the transaction that writes, so what it says now holds until the commit.
CREATE FUNCTION chaos.note_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    SELECT l.fence, l.claim_id, l.workspace_id INTO NEW.held_fence, NEW.held_claim_id, NEW.held_workspace_id
    FROM crmd.lease l WHERE l.id = NEW.job_id;
    RETURN NEW;
END $$;
CREATE TRIGGER note_write BEFORE INSERT ON chaos.write FOR EACH ROW EXECUTE FUNCTION chaos.note_write();
-- The instants are the server's own, whatever crmd.clock() says: a claim is noted after it was made, an end before it
-- is committed, so that leases which follow each other never seem to overlap.
CREATE FUNCTION chaos.note_claims() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO chaos.claim
    SELECT f.id, f.fence, f.claim_id, d.pid, coalesce(d.is_dead, true), f.type, f.lane, f.unique_key, f.attempt,
           f.snooze_count, f.run_at, clock_timestamp()
    FROM fresh f LEFT JOIN crmd.daemon d ON d.id = f.daemon_id;
    RETURN NULL;
END $$;
CREATE FUNCTION chaos.note_gone() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO chaos.gone SELECT o.id, o.fence, o.claim_id, clock_timestamp() FROM old_leases o;
    RETURN NULL;
END $$;
CREATE FUNCTION chaos.note_birth() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO chaos.birth VALUES (NEW.pid, clock_timestamp());
    RETURN NULL;
END $$;
CREATE TRIGGER note_birth AFTER INSERT ON crmd.daemon FOR EACH ROW EXECUTE FUNCTION chaos.note_birth();
CREATE TRIGGER note_claims AFTER INSERT ON crmd.lease REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION chaos.note_claims();
CREATE TRIGGER note_gone AFTER DELETE ON crmd.lease REFERENCING OLD TABLE AS old_leases
    FOR EACH STATEMENT EXECUTE FUNCTION chaos.note_gone();
-- Lets the clock of crmd run ahead or behind by so many seconds; 0 puts it right.
CREATE FUNCTION chaos.shift_clock(seconds double precision) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE FUNCTION crmd.clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE'
        ' AS ''SELECT clock_timestamp() + interval %s''', quote_literal(quote_literal(seconds || ' seconds')));
END $$;
-- Row-level security for what jobs write, and the tenants.
CREATE FUNCTION chaos.guard(workspaces uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_table text;
BEGIN
    INSERT INTO chaos.tenant SELECT unnest(workspaces) UNION ALL SELECT NULL;
    FOREACH v_table IN ARRAY ARRAY['write', 'tenant'] LOOP
        EXECUTE format('ALTER TABLE chaos.%I ENABLE ROW LEVEL SECURITY', v_table);
        EXECUTE format('CREATE POLICY own ON chaos.%I USING (workspace_id IS NOT DISTINCT FROM crmd.workspace_id())',
            v_table);
    END LOOP;
    PERFORM crmd.grant_app('chaos');
END $$;
