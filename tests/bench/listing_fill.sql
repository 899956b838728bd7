-- Makes pg_temp.fill_day, which fills the partition of a day, counted back from yesterday, with jobs that ended over it:
-- 50 workspaces of which the first are large, 40 job types of which the last are rare, 200 users a workspace.
CREATE FUNCTION pg_temp.fill_day(day integer, rows integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_day date := (crmd.clock() AT TIME ZONE 'UTC')::date - 1 - day;
    v_from timestamptz := v_day::timestamp AT TIME ZONE 'UTC';
    v_name text := 'archive_' || to_char(v_day, 'YYYYMMDD');
BEGIN
    IF to_regclass('crmd.' || v_name) IS NULL THEN
        EXECUTE format('CREATE TABLE crmd.%I PARTITION OF crmd.archive FOR VALUES FROM (%L) TO (%L)',
                       v_name, v_from, v_from + interval '1 day');
    END IF;
    INSERT INTO crmd.archive (id, finished_at, run_at, created_at, started_at, fence, attempt, max_attempts, crash_count,
        snooze_count, status, type, queue, priority, payload, workspace_id, user_id, errors, result)
    SELECT (lpad(to_hex((extract(epoch FROM t.made) * 1000)::bigint), 12, '0') || '7' || substr(md5(t.i::text), 1, 3) || '8'
            || substr(md5(t.i::text || v_name), 1, 15))::uuid,
        least(t.made + interval '20 s' * t.wait, v_from + interval '86399 s'), t.made, t.made, t.made, 1, 1, 3, 0, 0, t.status,
        'type-' || lpad(floor(40 * t.type * t.type)::integer::text, 2, '0'), 'normal', 'normal',
        jsonb_build_object('contactIds', ARRAY[t.i, t.i + 1], 'campaign', md5(t.i::text)),
        CASE WHEN t.owned < 0.9 THEN lpad(to_hex(t.place), 32, '0')::uuid END,
        CASE WHEN t.owned < 0.7 THEN lpad(to_hex(floor(200 * t.who * t.who)::integer + 1), 32, '0')::uuid END,
        CASE WHEN t.status IN ('failed', 'dead') THEN
            jsonb_build_array(jsonb_build_object('class', 'ProviderError', 'message', 'The provider answers 503')) END,
        CASE WHEN t.status = 'completed' THEN '{"succeeded": 3}'::jsonb END
    FROM (
        SELECT r.*, floor(50 * r.size * r.size)::integer + 1 AS place,
            CASE WHEN r.fate < 0.96 THEN 'completed' WHEN r.fate < 0.98 THEN 'failed' WHEN r.fate < 0.995 THEN 'cancelled'
                 ELSE 'dead' END AS status
        FROM (SELECT i, v_from + interval '86400 s' * i / rows AS made, random() AS owned, random() AS size, random() AS type,
                  random() AS who, random() AS wait, random() AS fate FROM generate_series(0, rows - 1) i) r) t;
END $$
