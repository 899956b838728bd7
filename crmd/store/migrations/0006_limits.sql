-- Limits in full: floors, collisions, what an operator has set or paused live, and the claim of jobs with keys in one call.

-- Slots that a key with waiting work is sure of: while fewer of its jobs run, its turn comes before all others.
ALTER TABLE crmd.concurrency ADD COLUMN floor integer NOT NULL DEFAULT 0 CHECK (floor >= 0);

-- What an operator has changed live. It wins over crmd.toml and outlives restarts. A key is queue:<name>, type:<name>,
-- the name of a limit, a name with a value (one workspace's share of it), or workspace/<id>.
CREATE TABLE crmd.tuning (
    key          text PRIMARY KEY,
    max          integer CHECK (max >= 0),             -- running jobs over all daemons
    slots        integer CHECK (slots >= 1),           -- of a queue: running jobs in each daemon
    weight       real CHECK (weight BETWEEN 0.001 AND 1000), -- of a workspace or lane: its share of the turns; 1 if not set
    paused_until timestamptz,                          -- 'infinity': until somebody resumes it
    pause_reason text,
    reason       text,                                 -- of what is set beside the pause
    changed_at   timestamptz NOT NULL
);

-- How far the waiting jobs of a type have been given the lane of its changed keys; NULL: all have it.
ALTER TABLE crmd.job_type ADD COLUMN relaned_to uuid;

-- Running jobs are counted by type and lane. The table is as small as the work in hand, so the lock is a short one.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX crmd.lease_lane;
CREATE INDEX lease_type_lane ON crmd.lease (type, lane) WHERE lane IS NOT NULL;
-- Critical work does not wait for a round through all lanes: its lanes are found here.
CREATE INDEX job_lane_critical ON crmd.job (queue, lane, rank_at, id)
    WHERE lane IS NOT NULL AND held IS NULL AND priority = 'critical';

-- The names of the limits that bind these lanes, in the order in which everybody locks them. Keys that are gates only,
-- as most are, bind nothing and lock nothing.
CREATE FUNCTION crmd.limits_of(lanes text[]) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT array_agg(n.name ORDER BY n.name)
    FROM (SELECT DISTINCT split_part(k.key, '/', 1) AS name
          FROM unnest(limits_of.lanes) AS l(lane) CROSS JOIN LATERAL unnest(string_to_array(l.lane, ' ')) AS k(key)) n
    WHERE EXISTS (SELECT FROM crmd.concurrency c WHERE c.name = n.name AND NOT c.is_local)
       OR EXISTS (SELECT FROM crmd.tuning t WHERE t.max IS NOT NULL AND split_part(t.key, '/', 1) = n.name)
$$;

-- Locks limits until the transaction ends: who counts the running jobs of a key and starts more must not interleave
-- with another who does, or both would see the last free slot. The statement after this one sees what the others did.
CREATE FUNCTION crmd.lock_limits(names text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    v_name text;
BEGIN
    -- What release 0.1 takes alone: where both run, they do not count at the same time.
    PERFORM pg_advisory_xact_lock_shared(x'63726D646C616E65'::bigint);
    FOREACH v_name IN ARRAY coalesce(names, '{}') LOOP
        PERFORM pg_advisory_xact_lock(x'63726D64'::integer, hashtext(v_name));
    END LOOP;
END $$;

-- The job types whose running jobs can hold a key of these limits: those that the names tell, or all that run.
CREATE FUNCTION crmd.types_bound_by(names text[]) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT CASE WHEN NOT EXISTS (SELECT FROM unnest(types_bound_by.names) AS n(name) WHERE n.name NOT LIKE 'type:%')
        THEN (SELECT array_agg(DISTINCT split_part(n.name, ':', 2)) FROM unnest(types_bound_by.names) AS n(name))
        ELSE (
            WITH RECURSIVE leased AS (
                (SELECT l.type FROM crmd.lease l WHERE l.lane IS NOT NULL ORDER BY l.type LIMIT 1)
                UNION ALL
                SELECT n.type FROM leased p CROSS JOIN LATERAL (
                    SELECT l.type FROM crmd.lease l WHERE l.lane IS NOT NULL AND l.type > p.type
                    ORDER BY l.type LIMIT 1) n
            )
            SELECT array_agg(type) FROM leased) END
$$;

-- Claims jobs with keys: in each turn as many as it asks for and every key allows. Answers a row for each job, and a row
-- without one for each lane that got none. `turn` is the lane's first, `granted` what it could have got: fewer jobs mean
-- that it ran dry; -1: a key of it is full or its gate is closed.
--
-- No key is overdrawn: of turns that share a key each gets at most the key's room less what those before it may take.
-- A turn asks for no more than each key on its own allows (`alone`), so one that gets nothing takes nothing from others,
-- and the first that can start something does.
-- Index: job_lane, lease_type_lane.
CREATE FUNCTION crmd.claim_lanes(
    p_queue text,
    p_lanes text[],      -- whose turn it is, in order; a lane may have more than one
    p_asked integer[],   -- how many jobs each turn asks for
    p_slots integer,     -- how many in all
    p_claim uuid,
    p_daemon uuid,
    p_paused text[],     -- job types that rest
    p_local text[],      -- limits that count inside the daemon,
    p_free integer[]     -- and what is free of them
) RETURNS TABLE (
    turn integer, granted integer, id uuid, type text, fence bigint, attempt smallint, payload jsonb, rank_at timestamptz,
    max_attempts smallint, crash_count smallint, priority text, queue text, workspace_id uuid, user_id uuid,
    parent_id uuid, lane text, run_at timestamptz, created_at timestamptz, checkpoint jsonb, meta jsonb, claim_id uuid,
    snooze_count integer, unique_key text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog SET plan_cache_mode = force_generic_plan
SET enable_bitmapscan = off SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    v_names text[] := crmd.limits_of(p_lanes);
    v_types text[] := '{}';
BEGIN
    IF v_names IS NOT NULL THEN
        PERFORM crmd.lock_limits(v_names);
        v_types := crmd.types_bound_by(v_names);
    END IF;
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT a.place::integer, a.lane, a.wanted
        FROM unnest(p_lanes, p_asked) WITH ORDINALITY AS a(lane, wanted, place)
    ), key AS MATERIALIZED (
        SELECT a.place, k.key, split_part(k.key, '/', 1) AS name
        FROM asked a CROSS JOIN LATERAL unnest(string_to_array(a.lane, ' ')) AS k(key)
    ), held AS MATERIALIZED (
        SELECT k.key, sum(s.running)::integer AS running
        FROM (SELECT l.lane, count(*) AS running FROM crmd.lease l
              WHERE l.type = ANY (v_types) AND l.lane IS NOT NULL GROUP BY l.lane) s
        CROSS JOIN LATERAL unnest(string_to_array(s.lane, ' ')) AS k(key)
        GROUP BY k.key
    ), bound AS MATERIALIZED (
        SELECT k.place, k.key,
            CASE WHEN g.key IS NOT NULL THEN 0
                 WHEN o.name IS NOT NULL THEN o.free
                 ELSE coalesce(te.max, tn.max, c.max) - coalesce(h.running, 0) END AS room,
            coalesce(h.running, 0) < c.floor AS is_below
        FROM key k
        LEFT JOIN crmd.gate g ON g.key = k.key AND g.closed_until > (SELECT crmd.clock())
        LEFT JOIN crmd.concurrency c ON c.name = k.name AND NOT c.is_local
        LEFT JOIN crmd.tuning te ON te.key = k.key AND te.max IS NOT NULL
        LEFT JOIN crmd.tuning tn ON tn.key = k.name AND tn.max IS NOT NULL
        LEFT JOIN unnest(p_local, p_free) AS o(name, free) ON o.name = k.name
        LEFT JOIN held h ON h.key = k.key
        WHERE coalesce(te.max, tn.max, c.max, o.free) IS NOT NULL OR g.key IS NOT NULL
    ), alone AS MATERIALIZED (
        SELECT a.place, a.lane, a.is_below, coalesce(a.room, 1) > 0 AS is_open, greatest(0, least(
            a.wanted, a.room + a.wanted - sum(a.wanted) OVER (PARTITION BY a.lane ORDER BY a.place))) AS wanted
        FROM (SELECT a.place, a.lane, a.wanted, min(b.room) AS room, coalesce(bool_or(b.is_below), false) AS is_below
              FROM asked a LEFT JOIN bound b ON b.place = a.place GROUP BY a.place, a.lane, a.wanted) a
    ), shared AS (
        SELECT b.place, min(b.room_left) AS room_left FROM (
            SELECT b.place, b.room + a.wanted
                - sum(a.wanted) OVER (PARTITION BY b.key ORDER BY a.is_below DESC, a.place) AS room_left
            FROM bound b JOIN alone a ON a.place = b.place WHERE a.wanted > 0) b
        GROUP BY b.place
    ), allowed AS (
        SELECT a.place, a.lane, a.is_below, a.is_open,
            greatest(least(a.wanted, s.room_left), 0) AS allowed
        FROM alone a LEFT JOIN shared s ON s.place = a.place
    ), turns AS MATERIALIZED (
        SELECT min(w.place) AS place, w.lane, bool_or(w.is_open) AS is_open, sum(w.room)::integer AS room FROM (
            SELECT w.place, w.lane, w.is_open, greatest(0, least(
                w.allowed, p_slots + w.allowed - sum(w.allowed) OVER (ORDER BY w.is_below DESC, w.place))) AS room
            FROM allowed w) w
        GROUP BY w.lane
    ), taken AS (
        DELETE FROM crmd.job WHERE id = ANY (ARRAY(
            SELECT p.id FROM turns t CROSS JOIN LATERAL (
                SELECT j.id FROM crmd.job j
                WHERE j.queue = p_queue AND j.lane = t.lane AND j.held IS NULL
                  AND j.rank_at <= (SELECT crmd.clock()) AND j.run_at <= (SELECT crmd.clock())
                  AND (j.expires_at IS NULL OR j.expires_at > (SELECT crmd.clock()))
                  AND j.type <> ALL (p_paused)
                  AND EXISTS (SELECT FROM crmd.daemon d WHERE d.id = p_daemon AND NOT d.is_dead)
                ORDER BY j.rank_at, j.id LIMIT t.room FOR UPDATE OF j SKIP LOCKED) p
            WHERE t.room > 0))
        RETURNING *
    ), kept AS (
        INSERT INTO crmd.lease AS e (id, claim_id, daemon_id, claimed_at, run_at, rank_at, created_at, fence, attempt,
            max_attempts, crash_count, snooze_count, type, queue, priority, payload, lane, workspace_id, user_id,
            parent_id, unique_key, started_at, checkpoint, progress, errors, meta)
        SELECT t.id, p_claim, p_daemon, n.clock, t.run_at, t.rank_at, t.created_at, t.fence + 1, t.attempt + 1,
            t.max_attempts, t.crash_count + 1, t.snooze_count, t.type, t.queue, t.priority, t.payload, t.lane,
            t.workspace_id, t.user_id, t.parent_id, t.unique_key, coalesce(t.started_at, n.clock), t.checkpoint,
            t.progress, t.errors, t.meta
        FROM taken t, (SELECT crmd.clock() AS clock) n
        RETURNING e.*
    )
    SELECT t.place, CASE WHEN t.is_open THEN t.room ELSE -1 END, k.id, k.type, k.fence, k.attempt, k.payload, k.rank_at,
        k.max_attempts, k.crash_count, k.priority, k.queue, k.workspace_id, k.user_id, k.parent_id, k.lane, k.run_at,
        k.created_at, k.checkpoint, k.meta, k.claim_id, k.snooze_count, k.unique_key
    FROM turns t LEFT JOIN kept k ON k.lane = t.lane;
END $$;

-- A job's lane, as before; a key that is "alone" stands in it only when no other does.
CREATE OR REPLACE FUNCTION crmd.lane_of(keys jsonb, workspace_id uuid, user_id uuid, payload jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(string_agg(f.key, ' ' ORDER BY f.place) FILTER (WHERE NOT f.is_alone),
                    string_agg(f.key, ' ' ORDER BY f.place))
    FROM (
        SELECT k.place, k.key ? 'alone' AS is_alone,
            CASE WHEN k.key ->> 'per' IS NULL THEN k.key ->> 'name'
                 ELSE (k.key ->> 'name') || '/' || crmd.key_value(v.value) END AS key
        FROM jsonb_array_elements(keys) WITH ORDINALITY AS k(key, place)
        CROSS JOIN LATERAL (SELECT CASE k.key ->> 'per'
            WHEN 'workspace' THEN workspace_id::text
            WHEN 'user' THEN user_id::text
            ELSE payload ->> (k.key ->> 'per') END) AS v(value)
        WHERE k.key ->> 'per' IS NULL OR v.value IS NOT NULL) f
$$;

-- The keys of a job type, with those that live settings need: of a type that rests, so that its jobs without a key
-- leave the way of the others; and of a limit on the type or its queue that nobody has declared.
CREATE FUNCTION crmd.tuned_keys(keys jsonb, type_name text, queue_name text) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT tuned_keys.keys || coalesce(jsonb_agg(a.key ORDER BY a.key ->> 'name' DESC), '[]') FROM (
        SELECT CASE WHEN t.max IS NULL THEN jsonb_build_object('name', t.key, 'alone', true)
                    ELSE jsonb_build_object('name', t.key) END AS key
        FROM crmd.tuning t
        WHERE (t.key = 'type:' || tuned_keys.type_name AND (t.max IS NOT NULL OR t.paused_until > crmd.clock()))
           OR (t.key = 'queue:' || tuned_keys.queue_name AND t.max IS NOT NULL)) a
    WHERE NOT tuned_keys.keys @> jsonb_build_array(jsonb_build_object('name', a.key -> 'name'))
$$;

CREATE FUNCTION crmd.key_job_type() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    NEW.keys := crmd.tuned_keys(NEW.keys, NEW.name, NEW.queue);
    NEW.has_collisions := NEW.keys @? '$[*].onFull';
    IF TG_OP = 'UPDATE' AND NEW.keys <> OLD.keys THEN
        NEW.relaned_to := '00000000-0000-0000-0000-000000000000';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER job_type_keys BEFORE INSERT OR UPDATE OF keys, queue ON crmd.job_type
    FOR EACH ROW EXECUTE FUNCTION crmd.key_job_type();

-- Gives the next so many jobs the lane that the changed keys of their type make; answers whether there are more. Page by
-- page, since a million jobs may wait. A row that is locked is on its way to or from a lease, whose lanes come last.
CREATE FUNCTION crmd.relane(page integer) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    t crmd.job_type;
    v_last uuid;
BEGIN
    SELECT * INTO t FROM crmd.job_type j WHERE j.relaned_to IS NOT NULL ORDER BY j.name LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF t.name IS NULL THEN
        RETURN false;
    END IF;
    SELECT j.id INTO v_last FROM crmd.job j WHERE j.id > t.relaned_to ORDER BY j.id OFFSET relane.page - 1 LIMIT 1;
    UPDATE crmd.job j SET lane = crmd.lane_of(t.keys, j.workspace_id, j.user_id, j.payload)
    WHERE j.id = ANY (ARRAY(
        SELECT w.id FROM crmd.job w
        WHERE w.id > t.relaned_to AND (v_last IS NULL OR w.id <= v_last) AND w.type = t.name
          AND w.lane IS DISTINCT FROM crmd.lane_of(t.keys, w.workspace_id, w.user_id, w.payload)
        FOR NO KEY UPDATE SKIP LOCKED));
    IF v_last IS NULL THEN
        UPDATE crmd.lease l SET lane = crmd.lane_of(t.keys, l.workspace_id, l.user_id, l.payload)
        WHERE l.id = ANY (ARRAY(
            SELECT w.id FROM crmd.lease w
            WHERE w.type = t.name AND w.lane IS DISTINCT FROM crmd.lane_of(t.keys, w.workspace_id, w.user_id, w.payload)
            FOR NO KEY UPDATE SKIP LOCKED));
    END IF;
    UPDATE crmd.job_type j SET relaned_to = v_last WHERE j.name = t.name;
    RETURN true;
END $$;

-- Lets a key rest on all daemons, for so many seconds or until it is resumed. What runs goes on.
CREATE FUNCTION crmd.pause(key text, reason text, seconds double precision DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO crmd.tuning AS t (key, paused_until, pause_reason, changed_at)
    VALUES (pause.key, coalesce(crmd.clock() + make_interval(secs => pause.seconds), 'infinity'), pause.reason, crmd.clock())
    ON CONFLICT ON CONSTRAINT tuning_pkey DO UPDATE SET
        paused_until = excluded.paused_until, pause_reason = excluded.pause_reason, changed_at = excluded.changed_at;
    PERFORM crmd.tuned(pause.key);
END $$;

-- Ends a pause; answers whether there was one.
CREATE FUNCTION crmd.resume(key text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_was_paused boolean;
BEGIN
    WITH before AS (SELECT t.paused_until FROM crmd.tuning t WHERE t.key = resume.key FOR UPDATE)
    UPDATE crmd.tuning t SET paused_until = NULL, pause_reason = NULL, changed_at = crmd.clock()
    FROM before b WHERE t.key = resume.key
    RETURNING coalesce(b.paused_until > crmd.clock(), false) INTO v_was_paused;
    PERFORM crmd.tuned(resume.key);
    RETURN coalesce(v_was_paused, false);
END $$;

-- Sets what is given of a key's limit, slots and weight; it wins over what is declared and configured.
CREATE FUNCTION crmd.tune(
    key text, reason text, max integer DEFAULT NULL, slots integer DEFAULT NULL, weight real DEFAULT NULL
) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO crmd.tuning AS t (key, max, slots, weight, reason, changed_at)
    VALUES (tune.key, tune.max, tune.slots, tune.weight, tune.reason, crmd.clock())
    ON CONFLICT ON CONSTRAINT tuning_pkey DO UPDATE SET
        max = coalesce(excluded.max, t.max), slots = coalesce(excluded.slots, t.slots),
        weight = coalesce(excluded.weight, t.weight), reason = excluded.reason, changed_at = excluded.changed_at;
    PERFORM crmd.tuned(tune.key);
END $$;

-- Takes back what was set of a key: what is declared and configured holds again. A pause stays. Answers whether anything
-- was set.
CREATE FUNCTION crmd.untune(key text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_was_set boolean;
BEGIN
    WITH before AS (
        SELECT num_nonnulls(t.max, t.slots, t.weight) > 0 AS is_set FROM crmd.tuning t WHERE t.key = untune.key FOR UPDATE
    )
    UPDATE crmd.tuning t SET max = NULL, slots = NULL, weight = NULL, reason = NULL, changed_at = crmd.clock()
    FROM before b WHERE t.key = untune.key
    RETURNING b.is_set INTO v_was_set;
    PERFORM crmd.tuned(untune.key);
    RETURN coalesce(v_was_set, false);
END $$;

-- After a live setting has changed: the keys of the job types that need it, and word to the daemons.
CREATE FUNCTION crmd.tuned(key text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
BEGIN
    DELETE FROM crmd.tuning t
    WHERE t.key = tuned.key AND num_nonnulls(t.max, t.slots, t.weight, t.paused_until) = 0;
    UPDATE crmd.job_type j SET keys = j.keys WHERE tuned.key IN ('type:' || j.name, 'queue:' || j.queue);
    PERFORM pg_notify('crmd_wake', '!tuning');
END $$;

-- Whether jobs of these lanes may be enqueued, for a type with keys that do not let work pile up: `reject_new` says no
-- when as many of the key run or wait as it allows; `cancel_running` makes room by cancelling the oldest of them.
-- Who asks for a key holds it until its transaction ends, or two would both see the last free place.
CREATE FUNCTION crmd.admit_collisions(type_name text, lanes text[]) RETURNS boolean[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_queues text[] := ARRAY(SELECT DISTINCT j.queue FROM crmd.job_type j);
    v_asked record;
    v_excess integer;
    v_admitted jsonb := '{}'; -- by key: how many of this very call
    v_answers boolean[] := array_fill(true, ARRAY[cardinality(lanes)]);
BEGIN
    FOR v_asked IN
        SELECT l.place, l.lane, k.key, d.key ->> 'onFull' AS on_full, coalesce(te.max, tn.max, c.max) AS max
        FROM unnest(admit_collisions.lanes) WITH ORDINALITY AS l(lane, place)
        CROSS JOIN LATERAL unnest(string_to_array(l.lane, ' ')) AS k(key)
        JOIN crmd.job_type t ON t.name = admit_collisions.type_name
        CROSS JOIN LATERAL jsonb_array_elements(t.keys) AS d(key)
        JOIN crmd.concurrency c ON c.name = d.key ->> 'name'
        LEFT JOIN crmd.tuning te ON te.key = k.key AND te.max IS NOT NULL
        LEFT JOIN crmd.tuning tn ON tn.key = c.name AND tn.max IS NOT NULL
        WHERE d.key ? 'onFull' AND split_part(k.key, '/', 1) = d.key ->> 'name'
        ORDER BY k.key, l.place
    LOOP
        CONTINUE WHEN NOT v_answers[v_asked.place];
        PERFORM pg_advisory_xact_lock(x'63726D65'::integer, hashtext(v_asked.key));
        v_excess := 1 - v_asked.max + coalesce((v_admitted ->> v_asked.key)::integer, 0) + (
            SELECT count(*) FROM crmd.unfinished_of(admit_collisions.type_name, v_queues, v_asked.lane, v_asked.key));
        IF v_excess > 0 AND v_asked.on_full = 'reject_new' THEN
            v_answers[v_asked.place] := false;
            CONTINUE;
        END IF;
        IF v_excess > 0 THEN
            PERFORM crmd.cancel(o.id, 'a newer job of ' || v_asked.key || ' takes its place')
            FROM (SELECT u.id FROM crmd.unfinished_of(admit_collisions.type_name, v_queues, v_asked.lane, v_asked.key) u
                  ORDER BY u.created_at, u.id LIMIT v_excess) o;
        END IF;
        v_admitted := v_admitted || jsonb_build_object(
            v_asked.key, coalesce((v_admitted ->> v_asked.key)::integer, 0) + 1);
    END LOOP;
    RETURN v_answers;
END $$;

-- The jobs that hold a key and are to go on: those that run, less those that are asked to stop, and those that wait in
-- this lane. Index: lease_type_lane, job_lane.
CREATE FUNCTION crmd.unfinished_of(type_name text, queues text[], lane text, key text)
RETURNS TABLE (id uuid, created_at timestamptz) LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT l.id, l.created_at FROM crmd.lease l
    WHERE l.type = unfinished_of.type_name AND l.lane IS NOT NULL AND l.cancel_requested_at IS NULL
      AND unfinished_of.key = ANY (string_to_array(l.lane, ' '))
    UNION ALL
    SELECT j.id, j.created_at FROM crmd.job j
    WHERE j.queue = ANY (unfinished_of.queues) AND j.lane = unfinished_of.lane AND j.lane IS NOT NULL AND j.held IS NULL
$$;

REVOKE EXECUTE ON FUNCTION crmd.limits_of, crmd.lock_limits, crmd.types_bound_by, crmd.claim_lanes, crmd.tuned_keys,
    crmd.key_job_type, crmd.relane, crmd.pause, crmd.resume, crmd.tune, crmd.untune, crmd.tuned, crmd.admit_collisions,
    crmd.unfinished_of FROM PUBLIC;
