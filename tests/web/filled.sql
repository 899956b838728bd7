-- A day in the life of an installation, for pictures of the dashboard: rows as the engine writes them, without running it.
SELECT setseed(0.42);
CREATE FUNCTION pg_temp.id_at(at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM at) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$;
CREATE TEMPORARY TABLE tenant AS
    SELECT n, ('0198a5c0-4f1e-7c3a-9b2d-' || lpad(to_hex(171234567 * n), 12, '0'))::uuid AS id FROM generate_series(1, 4) n;
CREATE TEMPORARY TABLE kind (n serial, type text, queue text, seconds float8, total integer);
INSERT INTO kind (type, queue, seconds, total) VALUES
    ('sync-mailbox', 'fast', 1.5, NULL), ('sync-mailbox', 'fast', 1.5, NULL), ('enrich-contact', 'normal', 6, 92),
    ('enrich-contact', 'normal', 5, 12), ('send-campaign', 'normal', 3, 250), ('score-leads', 'slow', 40, 4000),
    ('import-deals', 'slow', 25, 800);
CREATE TEMPORARY TABLE fault (n serial, class text, message text, place text);
INSERT INTO fault (class, message, place) VALUES
    ('RateLimited', 'HTTP 429 from api.hunter.io: the quota of the day is used up', 'crmd_enrichment/hunter.py:88 find'),
    ('RateLimited', 'HTTP 429 from api.hunter.io: the quota of the day is used up', 'crmd_enrichment/hunter.py:88 find'),
    ('ConnectTimeout', 'No answer from www.example.org within 30 s', 'crmd_enrichment/website.py:41 read'),
    ('FailJob', 'Contact 84123 has no address to send to', 'crmd_campaigns/sending.py:117 send');

-- Jobs that ended within a day, more of them by day than by night.
INSERT INTO crmd.archive (id, finished_at, run_at, created_at, started_at, fence, attempt, max_attempts, crash_count,
    snooze_count, status, type, queue, priority, payload, workspace_id, progress, errors, result)
SELECT pg_temp.id_at(d.at), d.started_at + make_interval(secs => k.seconds * (0.3 + d.luck * 2)), d.at, d.at, d.started_at, d.attempt, d.attempt, 3,
    0, 0, d.status, k.type, k.queue, CASE WHEN d.luck < 0.05 THEN 'high' ELSE 'normal' END,
    jsonb_build_object('contactIds', jsonb_build_array(d.n, d.n + 1, d.n + 2), 'source', 'website'), t.id,
    CASE WHEN k.total IS NOT NULL THEN (SELECT jsonb_build_object('done', n, 'total', k.total, 'succeeded', n)
        FROM (SELECT CASE WHEN d.status = 'completed' THEN k.total ELSE (k.total * d.luck / 2)::integer END) t(n)) END,
    CASE WHEN d.status IN ('failed', 'dead') THEN (
        SELECT jsonb_agg(jsonb_build_object('attempt', a, 'at', to_char(d.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
            'class', f.class, 'message', f.message, 'places', jsonb_build_array(f.place, 'crmd/http/client.py:212 request')))
        FROM generate_series(1, d.attempt) a) END,
    CASE WHEN d.status = 'completed' THEN jsonb_build_object('new', d.n % 14, 'changed', d.n % 3) END
FROM (
    SELECT r.n, r.at, r.luck, r.at + make_interval(secs => 0.02 + r.luck ^ 8 * 4) AS started_at,
        CASE WHEN r.luck > 0.975 THEN 'dead' WHEN r.luck > 0.965 THEN 'failed' WHEN r.luck > 0.955 THEN 'cancelled' ELSE 'completed' END AS status,
        CASE WHEN r.luck > 0.975 THEN 3 ELSE 1 END::smallint AS attempt
    FROM (SELECT n, random() AS luck, clock_timestamp() - make_interval(secs => 86400 * ((n + 0.5 * random()) / current_setting('filled.ended')::float8)
              + 4000 * (1 - cos(n / 700.0)) + 20) AS at FROM generate_series(1, current_setting('filled.ended')::integer) n) r
) d
JOIN kind k ON k.n = 1 + d.n % 7 JOIN tenant t ON t.n = 1 + (d.n / 7) % 4 JOIN fault f ON f.n = 1 + (d.n / 3) % 4;

-- What waits.
INSERT INTO crmd.job (id, run_at, rank_at, created_at, max_attempts, type, queue, priority, payload, workspace_id)
SELECT pg_temp.id_at(j.at), j.run_at, j.run_at, j.at, 3, k.type, k.queue, 'normal', '{"contactIds": [7, 8, 9], "source": "website"}', t.id
FROM (SELECT n, clock_timestamp() - make_interval(secs => n * 3) AS at,
          clock_timestamp() + make_interval(secs => CASE WHEN n % 3 = 0 THEN -n * 2.9 ELSE n * 97 END) AS run_at
      FROM generate_series(1, 60) n) j
JOIN kind k ON k.n = 1 + j.n % 7 JOIN tenant t ON t.n = 1 + j.n % 4;

-- Two daemons, one of which is about to stop, a third one that is gone, and what runs.
INSERT INTO crmd.daemon (id, host, pid, version, queues, started_at, beat_at, lease_until, is_dead, idle_queues, stopping_at)
SELECT ('0198a5c0-0000-7000-8000-00000000000' || n)::uuid, 'crm-vm-' || n, 811 + n, '0.4.0', '{fast,normal,slow}',
    clock_timestamp() - make_interval(hours => 30 * n), clock_timestamp() - CASE WHEN n = 3 THEN interval '2 hours 1 minute' ELSE interval '3 seconds' END,
    clock_timestamp() + CASE WHEN n = 3 THEN interval '-2 hours' ELSE interval '2 hours' END, n = 3, CASE WHEN n = 1 THEN '{fast}' ELSE '{}' END::text[],
    CASE WHEN n = 2 THEN clock_timestamp() END
FROM generate_series(1, 3) n;
INSERT INTO crmd.lease (id, claim_id, daemon_id, claimed_at, run_at, rank_at, created_at, fence, attempt, max_attempts,
    crash_count, snooze_count, type, queue, priority, payload, workspace_id, started_at, progress)
SELECT pg_temp.id_at(l.at), gen_random_uuid(), ('0198a5c0-0000-7000-8000-00000000000' || 1 + l.n % 2)::uuid, l.at, l.at, l.at, l.at, 1, 1, 3,
    0, 0, k.type, k.queue, 'normal', '{"contactIds": [101, 102, 103, 104], "source": "website"}', t.id, l.at,
    CASE WHEN k.total IS NOT NULL THEN jsonb_build_object('done', k.total * l.n / 9, 'total', k.total, 'note', 'reading websites',
        'succeeded', k.total * l.n / 9 - 2, 'blocked', 2, 'reasons', '{"no website": 2}'::jsonb) END
FROM (SELECT n, clock_timestamp() - make_interval(secs => n * 11) AS at FROM generate_series(1, 8) n) l
JOIN kind k ON k.n = 1 + l.n % 7 JOIN tenant t ON t.n = 1 + l.n % 4;
INSERT INTO crmd.job_log (job_id, attempt, bytes, lines)
SELECT l.id, 1, 400, jsonb_agg(jsonb_build_object('at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    'level', CASE WHEN n = 5 THEN 'warning' ELSE 'info' END,
    'text', CASE WHEN n = 5 THEN 'www.example.net asks to be left alone (robots.txt)' ELSE 'contact ' || 100 + n || ': a role and a phone number found' END))
FROM crmd.lease l, generate_series(1, 7) n WHERE l.type = 'enrich-contact' GROUP BY l.id;
INSERT INTO crmd.item (job_id, item, outcome, reason, settled_at)
SELECT l.id, n::text, CASE WHEN n <= 2 THEN 'blocked' ELSE 'succeeded' END, CASE WHEN n <= 2 THEN 'no website' END, clock_timestamp()
FROM crmd.lease l, generate_series(1, (l.progress ->> 'done')::integer) n WHERE l.type = 'enrich-contact';
INSERT INTO crmd.step (job_id, name, position, kind, result, fence, started_at, finished_at)
SELECT l.id, s.name, s.place, s.kind, '{"found": 30}', 1, l.started_at + make_interval(secs => s.place * 4),
    CASE WHEN s.place < 3 THEN l.started_at + make_interval(secs => s.place * 4 + 3) END
FROM crmd.lease l, (VALUES ('choose contacts', 1, 'step'), ('ask the register', 2, 'step'), ('gather pages', 3, 'gather')) s(name, place, kind)
WHERE l.type = 'enrich-contact';

-- Accounts, gates and rates, a paused queue, a plugin with a past.
INSERT INTO crmd.connection (id, workspace_id, provider, account, state, throttled_until, last_error, last_synced_at, synced_items)
SELECT pg_temp.id_at(clock_timestamp() - make_interval(days => c.n)), t.id, c.provider, c.account, c.state, c.until, c.error, clock_timestamp() - make_interval(secs => c.age), c.items
FROM (VALUES (1, 'gmail', 'ada@example.org', 'active', NULL::timestamptz, NULL, 240, 18203), (2, 'gmail', 'grace@example.org', 'needs_reauth', NULL, 'the grant was revoked (invalid_grant)', 93000, 9120),
    (3, 'gmail', 'sales@example.net', 'active', clock_timestamp() + interval '4 minutes', 'HTTP 429: too many requests', 1900, 44127),
    (4, 'gmail', 'mary@example.com', 'active', NULL, NULL, 31000, 77), (4, 'calendar', 'mary@example.com', 'disabled', NULL, NULL, 400000, 310)) c(n, provider, account, state, until, error, age, items)
JOIN tenant t ON t.n = c.n;
INSERT INTO crmd.gate (key, closed_until, reason, closed_at)
VALUES ('connection/0198a5c0-4f1e-7c3a-9b2d-3f1e00a1b2c3', clock_timestamp() + interval '4 minutes', 'throttled', clock_timestamp());
INSERT INTO crmd.bucket (name, tat, units_per_second, burst, pace, slowed_at, slowed_for) VALUES
    ('gmail/crmd', clock_timestamp() + interval '1 second', 250, 500, 1, NULL, NULL),
    ('hunter/crmd', clock_timestamp() + interval '4 seconds', 10, 20, 0.5, clock_timestamp() - interval '3 minutes', 'HTTP 429');
INSERT INTO crmd.tuning (key, max, paused_until, pause_reason, changed_at) VALUES
    ('queue:slow', 8, 'infinity', 'the file server is moved until noon', clock_timestamp()), ('queue:normal', 24, NULL, NULL, clock_timestamp());
INSERT INTO crmd.blame (plugin, on_day, stalls, stall_seconds, stall_place, crashes, crash_reason, memory_mib)
SELECT 'board_jobs', (clock_timestamp() AT TIME ZONE 'UTC')::date, 1, 3.2, 'board_jobs.py:31 enrich', 2, 'killed by SIGSEGV in parse.py:12 read', 412;

-- What happened, and who did what.
SELECT crmd.emit('contact.created', jsonb_build_object('contactId', 8400 + e.i, 'name', 'Ada Lovelace', 'source', 'website'), t.id,
    aggregate_type => 'contact', aggregate_id => (8400 + e.i)::text) FROM generate_series(1, 12) e(i) JOIN tenant t ON t.n = 1 + e.i % 4;
SELECT crmd.emit('email.received', jsonb_build_object('mailbox', 'ada@example.org', 'messages', e.i), t.id) FROM generate_series(1, 9) e(i) JOIN tenant t ON t.n = 1;
INSERT INTO crmd.audit (id, at, actor, action, target, workspace_id, details, outcome, ended_at)
SELECT pg_temp.id_at(clock_timestamp() - make_interval(mins => a.n * 13)), clock_timestamp() - make_interval(mins => a.n * 13), a.actor, a.action, a.target, NULL, a.details::jsonb, a.outcome, clock_timestamp()
FROM (VALUES (1, 'cli:ada@crm-vm-1', 'queues.pause', 'slow', '{"reason": "the file server is moved until noon"}', 'done'), (2, 'api:key:k7f3a9b2c4d1', 'jobs.retry', '0198a5c0-6d1e-7c3a-9b2d-3f1e00a1b2c3', '{}', 'done'),
    (3, 'cli:ada@crm-vm-1', 'dead.redrive', NULL, '{"type": "enrich-contact", "jobs": 41}', 'done'), (4, 'api:key:k7f3a9b2c4d1', 'jobs.cancel', '0198a5c0-7d1e-7c3a-9b2d-3f1e00a1b2c3', '{"reason": "wrong file"}', 'The job is completed already.')) a(n, actor, action, target, details, outcome);

-- As if the daemons had counted all the time.
UPDATE crmd.ended_until SET minute_at = date_trunc('minute', clock_timestamp()), hour_at = date_trunc('hour', clock_timestamp());
INSERT INTO crmd.ended_minute SELECT e.* FROM crmd.ended_between(clock_timestamp() - interval '30 hours', (SELECT minute_at FROM crmd.ended_until)) e;
INSERT INTO crmd.ended_hour
SELECT date_trunc('hour', m.ended_at), m.measure, m.type, m.status, m.step, sum(m.jobs), sum(m.seconds) FROM crmd.ended_minute m
WHERE m.ended_at < (SELECT hour_at FROM crmd.ended_until) GROUP BY 1, 2, 3, 4, 5;
INSERT INTO crmd.depth_minute (at, due, running)
SELECT date_trunc('minute', clock_timestamp()) - make_interval(mins => n), 60 + 45 * cos(n / 170.0) + random() * 14, 8 + random() * 4
FROM generate_series(1, 1500) n ON CONFLICT DO NOTHING;

-- What a check of the plugin found last week.
INSERT INTO crmd.plugin_grade (plugin, distribution, grade, checked_at)
VALUES ('board_jobs', 'board_jobs', 'gold', clock_timestamp() - interval '6 days');
