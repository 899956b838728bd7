-- What people look at: lists of jobs at any size, and the history of ended jobs as figures, kept small beside the archive.

-- Ended jobs by when they ended: rows come in that order, so ranges of pages suffice, and an insert pays next to nothing.
CREATE INDEX archive_finished ON crmd.archive USING brin (finished_at) WITH (pages_per_range = 32);
-- Those that did not go well, in the order of a list.
CREATE INDEX archive_status ON crmd.archive (status, id) INCLUDE (finished_at, type) WHERE status <> 'completed';

-- The status of a job that waits, as the view crmd.jobs shows it.
CREATE FUNCTION crmd.waiting_status(held text, run_at timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN held IN ('children', 'gather') THEN 'processing'
        WHEN run_at > crmd.clock() THEN 'scheduled' ELSE 'pending' END
$$;

-- The candidates of a page of a list: of each stage and status at most most_rows ids that fit, newest first, with when each
-- job ended (NULL: it has not). What is NULL lets all through. Each branch is led by an index that holds all that it asks
-- for. Deliveries of webhooks are among a workspace's jobs only where their type is asked for. Without a workspace, where neither a status nor a parent leads to the others, only looked_max of the newest ended
-- jobs are looked at.
CREATE FUNCTION crmd.list_jobs(
    workspace_id uuid, statuses text[], types text[], user_id uuid, parent_id uuid, since_id uuid, before_id uuid,
    most_rows integer, looked_max integer
) RETURNS TABLE (id uuid, finished_at timestamptz)
LANGUAGE plpgsql STABLE SET plan_cache_mode = 'force_generic_plan' SET jit = 'off' AS $$
#variable_conflict use_variable
DECLARE
    v_ended text[] := ARRAY(SELECT s FROM unnest(ARRAY['completed', 'failed', 'cancelled', 'dead']) s
                            WHERE list_jobs.statuses IS NULL OR s = ANY (list_jobs.statuses));
    v_since uuid := coalesce(list_jobs.since_id, '00000000-0000-0000-0000-000000000000');
    v_before uuid := coalesce(list_jobs.before_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
BEGIN
    IF statuses IS NULL OR statuses && ARRAY['pending', 'scheduled', 'processing'] THEN
        IF workspace_id IS NOT NULL THEN
            RETURN QUERY
            SELECT j.id, NULL::timestamptz FROM crmd.job j
            WHERE j.workspace_id = workspace_id AND j.type <> 'deliver-webhook' AND (types IS NULL OR j.type = ANY (types))
              AND (user_id IS NULL OR j.user_id = user_id) AND (parent_id IS NULL OR j.parent_id = parent_id)
              AND (statuses IS NULL OR crmd.waiting_status(j.held, j.run_at) = ANY (statuses))
              AND j.id >= v_since AND j.id < v_before
            ORDER BY j.id DESC LIMIT most_rows;
            IF 'deliver-webhook' = ANY (types) AND user_id IS NULL AND parent_id IS NULL THEN
                RETURN QUERY
                SELECT j.id, NULL::timestamptz FROM crmd.job j
                WHERE j.workspace_id = workspace_id AND j.type = 'deliver-webhook'
                  AND (statuses IS NULL OR crmd.waiting_status(j.held, j.run_at) = ANY (statuses))
                  AND j.id >= v_since AND j.id < v_before
                ORDER BY j.id DESC LIMIT most_rows;
            END IF;
        ELSE
            RETURN QUERY
            SELECT j.id, NULL::timestamptz FROM crmd.job j
            WHERE (types IS NULL OR j.type = ANY (types)) AND (user_id IS NULL OR j.user_id = user_id)
              AND (parent_id IS NULL OR j.parent_id = parent_id)
              AND (statuses IS NULL OR crmd.waiting_status(j.held, j.run_at) = ANY (statuses))
              AND j.id >= v_since AND j.id < v_before
            ORDER BY j.id DESC LIMIT most_rows;
        END IF;
    END IF;
    IF statuses IS NULL OR 'processing' = ANY (statuses) THEN
        RETURN QUERY
        SELECT l.id, NULL::timestamptz FROM crmd.lease l
        WHERE (workspace_id IS NULL OR l.workspace_id = workspace_id)
          AND CASE WHEN types IS NULL THEN workspace_id IS NULL OR l.type <> 'deliver-webhook' ELSE l.type = ANY (types) END
          AND (user_id IS NULL OR l.user_id = user_id) AND (parent_id IS NULL OR l.parent_id = parent_id)
          AND l.id >= v_since AND l.id < v_before
        ORDER BY l.id DESC LIMIT most_rows;
    END IF;
    IF v_ended = '{}' THEN
        RETURN;
    ELSIF parent_id IS NOT NULL THEN
        RETURN QUERY
        SELECT a.id, a.finished_at FROM crmd.archive a
        WHERE a.parent_id = parent_id AND a.id >= v_since AND a.id < v_before AND a.status = ANY (v_ended)
          AND (workspace_id IS NULL OR a.workspace_id = workspace_id) AND (types IS NULL OR a.type = ANY (types))
          AND (user_id IS NULL OR a.user_id = user_id)
        ORDER BY a.id DESC LIMIT most_rows;
    ELSIF workspace_id IS NOT NULL AND user_id IS NOT NULL THEN
        RETURN QUERY
        SELECT a.id, a.finished_at FROM crmd.archive a
        WHERE a.workspace_id = workspace_id AND a.user_id = user_id AND a.id >= v_since AND a.id < v_before
          AND a.status = ANY (v_ended) AND (types IS NULL OR a.type = ANY (types))
        ORDER BY a.id DESC LIMIT most_rows;
    ELSIF workspace_id IS NOT NULL AND types IS NOT NULL THEN
        RETURN QUERY
        SELECT f.id, f.finished_at FROM unnest(types) t(name) CROSS JOIN unnest(v_ended) s(name) CROSS JOIN LATERAL (
            SELECT a.id, a.finished_at FROM crmd.archive a
            WHERE a.workspace_id = workspace_id AND a.type = t.name AND a.status = s.name
              AND a.id >= v_since AND a.id < v_before
            ORDER BY a.id DESC LIMIT most_rows) f;
    ELSIF workspace_id IS NOT NULL THEN
        RETURN QUERY
        SELECT f.id, f.finished_at FROM unnest(v_ended) s(name) CROSS JOIN LATERAL (
            SELECT a.id, a.finished_at FROM crmd.archive a
            WHERE a.workspace_id = workspace_id AND a.status = s.name AND a.type <> 'deliver-webhook'
              AND a.id >= v_since AND a.id < v_before
            ORDER BY a.id DESC LIMIT most_rows) f;
    ELSIF user_id IS NULL AND NOT 'completed' = ANY (v_ended) THEN
        RETURN QUERY
        SELECT f.id, f.finished_at FROM unnest(v_ended) s(name) CROSS JOIN LATERAL (
            SELECT a.id, a.finished_at FROM crmd.archive a
            WHERE a.status = s.name AND a.status <> 'completed' AND a.id >= v_since AND a.id < v_before
              AND (types IS NULL OR a.type = ANY (types))
            ORDER BY a.id DESC LIMIT most_rows) f;
    ELSIF user_id IS NULL AND types IS NULL AND cardinality(v_ended) = 4 THEN
        RETURN QUERY
        SELECT a.id, a.finished_at FROM crmd.archive a WHERE a.id >= v_since AND a.id < v_before
        ORDER BY a.id DESC LIMIT most_rows;
    ELSE
        RETURN QUERY
        SELECT a.id, a.finished_at FROM (
            SELECT n.id, n.finished_at, n.status, n.type, n.user_id FROM crmd.archive n
            WHERE n.id >= v_since AND n.id < v_before ORDER BY n.id DESC LIMIT looked_max) a
        WHERE a.status = ANY (v_ended) AND (types IS NULL OR a.type = ANY (types))
          AND (user_id IS NULL OR a.user_id = user_id)
        LIMIT most_rows;
    END IF;
END $$;

-- The jobs of a page that crmd.list_jobs found, whole: each is looked up in one partition.
CREATE FUNCTION crmd.listed_jobs(ids uuid[], finished timestamptz[]) RETURNS TABLE (
    id uuid, workspace_id uuid, user_id uuid, type text, status text, payload jsonb, result jsonb, progress jsonb,
    last_error jsonb, created_at timestamptz, started_at timestamptz, finished_at timestamptz, attempt smallint,
    max_attempts smallint, queue text, priority text, run_at timestamptz, parent_id uuid, cancel_requested_at timestamptz)
LANGUAGE plpgsql STABLE SET plan_cache_mode = 'force_generic_plan' SET jit = 'off' AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT j.id, j.workspace_id, j.user_id, j.type, crmd.waiting_status(j.held, j.run_at), j.payload, j.result,
        j.progress, j.errors -> -1, j.created_at, j.started_at, NULL::timestamptz, j.attempt, j.max_attempts, j.queue,
        j.priority, j.run_at, j.parent_id, NULL::timestamptz
    FROM crmd.job j WHERE j.id = ANY (ids)
    UNION ALL
    SELECT l.id, l.workspace_id, l.user_id, l.type, 'processing', l.payload, NULL, l.progress, l.errors -> -1,
        l.created_at, l.started_at, NULL, l.attempt, l.max_attempts, l.queue, l.priority, l.run_at, l.parent_id,
        l.cancel_requested_at
    FROM crmd.lease l WHERE l.id = ANY (ids)
    UNION ALL
    SELECT a.id, a.workspace_id, a.user_id, a.type, a.status, a.payload, a.result, a.progress, a.errors -> -1,
        a.created_at, a.started_at, a.finished_at, a.attempt, a.max_attempts, a.queue, a.priority, a.run_at,
        a.parent_id, NULL
    FROM unnest(ids, finished) p(id, finished_at) CROSS JOIN LATERAL (
        -- The bound keeps it a look-up of each, whatever the planner thinks of small partitions.
        SELECT * FROM crmd.archive r WHERE r.id = p.id AND r.finished_at = p.finished_at LIMIT 1) a;
END $$;

-- A time as a step of powers of two of a millisecond, so that times can be counted together: step 10 is up to 1.024 s.
CREATE FUNCTION crmd.time_step(seconds double precision) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ceil(ln(greatest(seconds * 1000, 1)) / ln(2::float8))::smallint
$$;

-- The jobs that ended within a time, counted straight from the archive by index archive_finished: by type and status with
-- the seconds that they ran (`jobs`); and over all types, by steps, how long they ran (`run`) and how long they had waited
-- from being due (`wait`), but for those that never started or were tried again.
CREATE FUNCTION crmd.ended_between(since_at timestamptz, before_at timestamptz)
RETURNS TABLE (ended_at timestamptz, measure text, type text, status text, step smallint, jobs bigint,
               seconds double precision)
LANGUAGE sql STABLE AS $$
    WITH ended AS MATERIALIZED (
        SELECT date_trunc('minute', a.finished_at) AS minute_at, a.type, a.status,
            date_part('epoch', a.finished_at - a.started_at) AS run,
            CASE WHEN a.attempt = 1 AND a.snooze_count = 0 THEN date_part('epoch', a.started_at - a.run_at) END AS wait
        FROM crmd.archive a WHERE a.finished_at >= since_at AND a.finished_at < before_at
    )
    SELECT e.minute_at, 'jobs', e.type, e.status, 0::smallint, count(*), coalesce(sum(e.run), 0) FROM ended e
    GROUP BY 1, 3, 4
    UNION ALL
    SELECT e.minute_at, 'run', '', '', crmd.time_step(e.run), count(*), sum(e.run) FROM ended e WHERE e.run IS NOT NULL
    GROUP BY 1, 5
    UNION ALL
    SELECT e.minute_at, 'wait', '', '', crmd.time_step(e.wait), count(*), sum(e.wait) FROM ended e WHERE e.wait IS NOT NULL
    GROUP BY 1, 5
$$;

-- Ended jobs counted: by minute for two days, by hour for three months, by user and day as long. crmd.count_ended fills
-- them; what ended since is counted when it is asked for.
CREATE TABLE crmd.ended_minute (
    ended_at timestamptz NOT NULL,           -- the beginning of the minute
    measure  text NOT NULL CHECK (measure IN ('jobs', 'run', 'wait')),
    type     text NOT NULL,                  -- empty but for `jobs`
    status   text NOT NULL,
    step     smallint NOT NULL,              -- see crmd.time_step; of `jobs`: 0
    jobs     bigint NOT NULL,
    seconds  double precision NOT NULL,      -- of all of them, added up
    PRIMARY KEY (ended_at, measure, type, status, step)
);
CREATE TABLE crmd.ended_hour (LIKE crmd.ended_minute INCLUDING ALL);
CREATE TABLE crmd.ended_user (
    workspace_id uuid NOT NULL,
    user_id      uuid NOT NULL,
    on_day       date NOT NULL,              -- of ending, UTC
    completed    integer NOT NULL,
    failed       integer NOT NULL,           -- and dead
    cancelled    integer NOT NULL,
    seconds      double precision NOT NULL,
    last_at      timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, user_id, on_day)
) WITH (fillfactor = 80);
CREATE INDEX ended_user_day ON crmd.ended_user (on_day);
-- The same, added up over the 29 days before crmd.ended_until.users_day: each day one is added and one taken away, so that
-- a look at 30 days reads a row a user.
CREATE TABLE crmd.ended_user_month (
    workspace_id uuid NOT NULL,
    user_id      uuid NOT NULL,
    completed    bigint NOT NULL,
    failed       bigint NOT NULL,
    cancelled    bigint NOT NULL,
    seconds      double precision NOT NULL,
    last_at      timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, user_id)
) WITH (fillfactor = 80);

-- How many jobs were due and running at the end of each minute, for eight days.
CREATE TABLE crmd.depth_minute (
    at      timestamptz PRIMARY KEY,
    due     bigint NOT NULL,
    running bigint NOT NULL
);

-- How far they go.
CREATE TABLE crmd.ended_until (
    is_only   boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    minute_at timestamptz NOT NULL,          -- minutes before this one are counted
    hour_at   timestamptz NOT NULL,          -- so are hours, and users
    users_day date NOT NULL                  -- users of the days before this one are added up; UTC
) WITH (fillfactor = 50);
INSERT INTO crmd.ended_until (minute_at, hour_at, users_day)
SELECT date_trunc('hour', t.at), date_trunc('hour', t.at), (date_trunc('hour', t.at) AT TIME ZONE 'UTC')::date FROM (
    SELECT CASE WHEN EXISTS (SELECT FROM crmd.archive) THEN crmd.clock() - interval '30 days' ELSE crmd.clock() END AS at) t;

-- The users of the jobs that ended within a time.
CREATE FUNCTION crmd.users_between(since_at timestamptz, before_at timestamptz)
RETURNS TABLE (workspace_id uuid, user_id uuid, on_day date, completed integer, failed integer, cancelled integer,
               seconds double precision, last_at timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT a.workspace_id, a.user_id, (a.finished_at AT TIME ZONE 'UTC')::date,
        (count(*) FILTER (WHERE a.status = 'completed'))::integer,
        (count(*) FILTER (WHERE a.status IN ('failed', 'dead')))::integer,
        (count(*) FILTER (WHERE a.status = 'cancelled'))::integer,
        coalesce(sum(date_part('epoch', a.finished_at - a.started_at)), 0), max(a.finished_at)
    FROM crmd.archive a
    WHERE a.finished_at >= since_at AND a.finished_at < before_at AND a.workspace_id IS NOT NULL AND a.user_id IS NOT NULL
    GROUP BY 1, 2, 3
$$;

-- Adds up the users of a day that is over, and takes away those of the day that is 30 days old with it.
CREATE FUNCTION crmd.add_users(day date) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO crmd.ended_user_month AS m (workspace_id, user_id, completed, failed, cancelled, seconds, last_at)
    SELECT w.workspace_id, w.user_id, w.completed, w.failed, w.cancelled, w.seconds, w.last_at
    FROM crmd.ended_user w WHERE w.on_day = add_users.day
    ON CONFLICT ON CONSTRAINT ended_user_month_pkey DO UPDATE SET completed = m.completed + excluded.completed,
        failed = m.failed + excluded.failed, cancelled = m.cancelled + excluded.cancelled,
        seconds = m.seconds + excluded.seconds, last_at = greatest(m.last_at, excluded.last_at);
    UPDATE crmd.ended_user_month m SET completed = m.completed - w.completed, failed = m.failed - w.failed,
        cancelled = m.cancelled - w.cancelled, seconds = m.seconds - w.seconds
    FROM crmd.ended_user w
    WHERE w.on_day = add_users.day - 29 AND m.workspace_id = w.workspace_id AND m.user_id = w.user_id;
    DELETE FROM crmd.ended_user_month m USING crmd.ended_user w
    WHERE w.on_day = add_users.day - 29 AND m.workspace_id = w.workspace_id AND m.user_id = w.user_id
      AND m.completed + m.failed + m.cancelled = 0;
END $$;

-- Counts one hour that is over for good, or the minutes since; whether there is more to count at once. One daemon at a
-- time counts. A minute is counted for the second time a minute later, for the sake of transactions that took so long; an
-- hour is counted from the archive once, five minutes after its end.
CREATE FUNCTION crmd.count_ended() RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_now timestamptz := crmd.clock();
    u crmd.ended_until;
    v_from timestamptz;
    v_to timestamptz;
    v_index oid;
BEGIN
    SELECT * INTO u FROM crmd.ended_until FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- So that the newest rows are found by their pages, too.
    FOR v_index IN
        SELECT i.indexrelid FROM pg_inherits h JOIN pg_index i ON i.indexrelid = h.inhrelid
        JOIN pg_class c ON c.oid = i.indrelid
        WHERE h.inhparent = 'crmd.archive_finished'::regclass
          AND c.relname IN ('archive_default', 'archive_' || to_char(v_now AT TIME ZONE 'UTC', 'YYYYMMDD'),
                            'archive_' || to_char((v_now - interval '1 hour') AT TIME ZONE 'UTC', 'YYYYMMDD'))
    LOOP
        PERFORM brin_summarize_new_values(v_index);
    END LOOP;
    IF u.hour_at + interval '65 minutes' <= v_now THEN
        LOOP -- nothing ended for whole days: nothing is counted by the hour
            EXIT WHEN u.hour_at + interval '25 hours' > v_now OR EXISTS (
                SELECT FROM crmd.archive a WHERE a.finished_at >= u.hour_at AND a.finished_at < u.hour_at + interval '24 hours');
            u.hour_at := u.hour_at + interval '24 hours';
        END LOOP;
        v_to := u.hour_at + interval '1 hour';
        INSERT INTO crmd.ended_hour AS h (ended_at, measure, type, status, step, jobs, seconds)
        SELECT u.hour_at, e.measure, e.type, e.status, e.step, sum(e.jobs), sum(e.seconds)
        FROM crmd.ended_between(u.hour_at, v_to) e GROUP BY e.measure, e.type, e.status, e.step
        ON CONFLICT ON CONSTRAINT ended_hour_pkey DO UPDATE SET jobs = excluded.jobs, seconds = excluded.seconds;
        INSERT INTO crmd.ended_user AS w (workspace_id, user_id, on_day, completed, failed, cancelled, seconds, last_at)
        SELECT * FROM crmd.users_between(u.hour_at, v_to)
        ON CONFLICT ON CONSTRAINT ended_user_pkey DO UPDATE SET completed = w.completed + excluded.completed,
            failed = w.failed + excluded.failed, cancelled = w.cancelled + excluded.cancelled,
            seconds = w.seconds + excluded.seconds, last_at = greatest(w.last_at, excluded.last_at);
        WHILE u.users_day < (v_to AT TIME ZONE 'UTC')::date LOOP
            PERFORM crmd.add_users(u.users_day);
            u.users_day := u.users_day + 1;
        END LOOP;
        UPDATE crmd.ended_until
        SET hour_at = v_to, minute_at = greatest(minute_at, v_to - interval '2 hours'), users_day = u.users_day;
        DELETE FROM crmd.ended_minute m WHERE m.ended_at < v_now - interval '48 hours';
        DELETE FROM crmd.ended_hour h WHERE h.ended_at < v_now - interval '90 days';
        DELETE FROM crmd.ended_user w WHERE w.on_day < (v_now AT TIME ZONE 'UTC')::date - 90;
        DELETE FROM crmd.depth_minute d WHERE d.at < v_now - interval '8 days';
        RETURN true;
    END IF;
    v_to := date_trunc('minute', v_now - interval '5 seconds');
    IF u.minute_at >= v_to THEN
        RETURN false;
    END IF;
    v_from := greatest(u.minute_at - interval '1 minute', v_now - interval '48 hours');
    v_from := date_trunc('minute', v_from);
    DELETE FROM crmd.ended_minute m WHERE m.ended_at >= v_from AND m.ended_at < v_to;
    INSERT INTO crmd.ended_minute SELECT * FROM crmd.ended_between(v_from, v_to);
    INSERT INTO crmd.depth_minute (at, due, running)
    SELECT v_to, (SELECT count(*) FROM crmd.job j WHERE j.run_at <= v_now AND j.held IS NULL),
        (SELECT count(*) FROM crmd.lease l)
    ON CONFLICT (at) DO NOTHING;
    UPDATE crmd.ended_until SET minute_at = v_to;
    RETURN false;
END $$;

-- Ended jobs by the minute (two days), and what ended a moment ago.
CREATE VIEW crmd.ended_by_minute WITH (security_invoker = true) AS
    SELECT m.ended_at, m.measure, m.type, m.status, m.step, m.jobs, m.seconds FROM crmd.ended_minute m
    WHERE m.ended_at < (SELECT u.minute_at FROM crmd.ended_until u)
    UNION ALL
    SELECT e.ended_at, e.measure, e.type, e.status, e.step, e.jobs, e.seconds
    FROM crmd.ended_between((SELECT u.minute_at FROM crmd.ended_until u), 'infinity') e;

-- Ended jobs by the hour (90 days), and what ended in this one.
CREATE VIEW crmd.ended_by_hour WITH (security_invoker = true) AS
    SELECT h.ended_at, h.measure, h.type, h.status, h.step, h.jobs, h.seconds FROM crmd.ended_hour h
    UNION ALL
    SELECT date_trunc('hour', m.ended_at), m.measure, m.type, m.status, m.step, m.jobs, m.seconds FROM crmd.ended_by_minute m
    WHERE m.ended_at >= (SELECT u.hour_at FROM crmd.ended_until u);

-- How each job type did within seven days, by status: how many ended, and how long they took on average.
CREATE VIEW crmd.job_statistics WITH (security_invoker = true) AS
    SELECT h.type, h.status, sum(h.jobs)::bigint AS jobs,
        round((sum(h.seconds) / sum(h.jobs))::numeric, 3) AS average_seconds, max(h.ended_at) AS last_hour_at
    FROM crmd.ended_by_hour h WHERE h.measure = 'jobs' AND h.ended_at >= (SELECT crmd.clock()) - interval '7 days'
    GROUP BY h.type, h.status;

-- Jobs that do not get on, and why: due for more than 15 minutes and not begun, of a type that nobody knows, running for
-- more than an hour, running on a daemon that is gone, asked to stop more than five minutes ago and running still.
CREATE VIEW crmd.stuck_jobs WITH (security_invoker = true) AS
    SELECT j.id, j.type, j.queue, j.workspace_id, 'pending' AS status,
        CASE WHEN j.held = 'unknown' THEN 'no daemon knows its type' ELSE 'due and not begun' END AS reason,
        j.run_at AS since_at, j.attempt, j.errors -> -1 ->> 'message' AS last_error
    FROM crmd.job j
    WHERE j.held = 'unknown' OR j.held IS NULL AND j.run_at < (SELECT crmd.clock()) - interval '15 minutes'
    UNION ALL
    SELECT l.id, l.type, l.queue, l.workspace_id, 'processing',
        CASE WHEN d.id IS NULL THEN 'its daemon is gone'
             WHEN l.cancel_requested_at < (SELECT crmd.clock()) - interval '5 minutes' THEN 'it was asked to stop'
             ELSE 'it runs for long' END,
        l.claimed_at, l.attempt, l.errors -> -1 ->> 'message'
    FROM crmd.lease l LEFT JOIN crmd.daemon d ON d.id = l.daemon_id AND NOT d.is_dead
    WHERE d.id IS NULL OR l.claimed_at < (SELECT crmd.clock()) - interval '1 hour'
       OR l.cancel_requested_at < (SELECT crmd.clock()) - interval '5 minutes';

-- The newest 1,000 failed and the newest 1,000 dead jobs of seven days, newest first; index archive_trouble.
CREATE VIEW crmd.recent_failures WITH (security_invoker = true) AS
    SELECT f.id, f.finished_at, f.type, f.status, f.workspace_id, f.user_id, f.attempt,
        f.errors -> -1 ->> 'class' AS error_class, f.errors -> -1 ->> 'message' AS message, f.payload
    FROM (
        (SELECT * FROM crmd.archive a
         WHERE a.status = 'failed' AND a.finished_at > (SELECT crmd.clock()) - interval '7 days'
         ORDER BY a.finished_at DESC LIMIT 1000)
        UNION ALL
        (SELECT * FROM crmd.archive a
         WHERE a.status = 'dead' AND a.finished_at > (SELECT crmd.clock()) - interval '7 days'
         ORDER BY a.finished_at DESC LIMIT 1000)) f
    ORDER BY f.finished_at DESC;

-- How many jobs each user had within 30 days, and how they ended. For the first minutes of a day, until the last hour of
-- the day before is counted, it is added up from the days.
CREATE VIEW crmd.jobs_by_user WITH (security_invoker = true) AS
    SELECT b.workspace_id, b.user_id, sum(b.completed + b.failed + b.cancelled) AS jobs,
        sum(b.completed) AS completed, sum(b.failed) AS failed, sum(b.cancelled) AS cancelled,
        round(sum(b.seconds)::numeric, 3) AS seconds, max(b.last_at) AS last_at
    FROM (
        SELECT m.workspace_id, m.user_id, m.completed, m.failed, m.cancelled, m.seconds, m.last_at
        FROM crmd.ended_user_month m
        WHERE (SELECT u.users_day = (crmd.clock() AT TIME ZONE 'UTC')::date FROM crmd.ended_until u)
        UNION ALL
        SELECT w.workspace_id, w.user_id, w.completed, w.failed, w.cancelled, w.seconds, w.last_at FROM crmd.ended_user w
        WHERE w.on_day > (SELECT t.today - CASE WHEN u.users_day = t.today THEN 1 ELSE 30 END
                          FROM crmd.ended_until u, (SELECT (crmd.clock() AT TIME ZONE 'UTC')::date AS today) t)
        UNION ALL
        SELECT r.workspace_id, r.user_id, r.completed, r.failed, r.cancelled, r.seconds, r.last_at
        FROM crmd.users_between((SELECT u.hour_at FROM crmd.ended_until u), 'infinity') r) b
    GROUP BY b.workspace_id, b.user_id;

-- Lets a role look at all workspaces with SQL: these views and what they are made of, no secrets and no keys.
CREATE FUNCTION crmd.grant_views(role_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_table text;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA crmd TO %I', role_name);
    EXECUTE format('GRANT SELECT ON crmd.job, crmd.lease, crmd.archive, crmd.daemon, crmd.ended_minute, crmd.ended_hour, '
        'crmd.ended_user, crmd.ended_user_month, crmd.ended_until, crmd.depth_minute, crmd.jobs, crmd.ended_by_minute, crmd.ended_by_hour, '
        'crmd.job_statistics, crmd.stuck_jobs, crmd.recent_failures, crmd.jobs_by_user TO %I', role_name);
    EXECUTE format('GRANT EXECUTE ON FUNCTION crmd.clock, crmd.workspace_id, crmd.waits_for, crmd.time_step, '
        'crmd.ended_between, crmd.users_between TO %I', role_name);
    FOREACH v_table IN ARRAY ARRAY['job', 'lease', 'archive', 'ended_user', 'ended_user_month'] LOOP
        EXECUTE format('DROP POLICY IF EXISTS %I ON crmd.%I', 'views_' || role_name, v_table);
        EXECUTE format('CREATE POLICY %I ON crmd.%I FOR SELECT TO %I USING (true)', 'views_' || role_name, v_table, role_name);
    END LOOP;
END $$;

ALTER TABLE crmd.ended_user ENABLE ROW LEVEL SECURITY;
ALTER TABLE crmd.ended_user_month ENABLE ROW LEVEL SECURITY;
REVOKE EXECUTE ON FUNCTION crmd.list_jobs, crmd.listed_jobs, crmd.waiting_status, crmd.count_ended, crmd.add_users, crmd.time_step,
    crmd.ended_between, crmd.users_between, crmd.grant_views FROM PUBLIC;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'crmd_api') THEN
        GRANT EXECUTE ON FUNCTION crmd.list_jobs, crmd.listed_jobs, crmd.waiting_status TO crmd_api;
    END IF;
END $$;
