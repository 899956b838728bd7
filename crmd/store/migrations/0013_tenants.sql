-- What is owed to a tenant: all its rows to take away, all its rows gone, and nothing kept longer than was said.

-- Payloads of such a type are kept sealed; SQL cannot seal, so it cannot enqueue them either.
ALTER TABLE crmd.job_type ADD COLUMN is_payload_sealed boolean NOT NULL DEFAULT false;

-- Up to which hour of finishing a class of data was let go, so that each hour is gone over once.
CREATE TABLE crmd.retention (
    class       text PRIMARY KEY CHECK (class IN ('payload', 'result')),
    done_before timestamptz NOT NULL
);

-- Every table that holds rows of workspaces, with the condition that finds those of one ($1). A table of the core or of a
-- plugin counts if it has a column workspace_id; one of the core also if it belongs to a job, a schedule or an event that has one.
-- Partitions are told one by one. `place` orders the core's own: what is found by others before those.
CREATE FUNCTION crmd.tenant_tables()
RETURNS TABLE (oid oid, schema_name text, root_name text, condition text, is_erased boolean, place integer)
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT c.oid, n.nspname::text, coalesce(r.relname, c.relname)::text,
        CASE
            WHEN n.nspname = 'crmd' AND coalesce(r.relname, c.relname) = 'tick'
                THEN 't.schedule_id IN (SELECT s.id FROM crmd.schedule s WHERE s.workspace_id = $1)'
            WHEN n.nspname = 'crmd' AND coalesce(r.relname, c.relname) = 'delivery' -- events are kept for longer than jobs
                THEN 't.event_id IN (SELECT e.id FROM crmd.event e WHERE e.workspace_id = $1)'
            WHEN has.workspace THEN 't.workspace_id = $1'
            WHEN has.job THEN 't.job_id IN (SELECT j.id FROM crmd.jobs j WHERE j.workspace_id = $1)'
            WHEN has.parent THEN 't.parent_id IN (SELECT j.id FROM crmd.jobs j WHERE j.workspace_id = $1)'
            ELSE 't.connection_id IN (SELECT k.id FROM crmd.connection k WHERE k.workspace_id = $1)'
        END,
        n.nspname <> 'crmd' OR c.relname <> 'audit',
        CASE WHEN n.nspname <> 'crmd' THEN 0 WHEN NOT has.workspace THEN 1
             WHEN coalesce(r.relname, c.relname) IN ('job', 'lease', 'archive', 'schedule', 'connection') THEN 3
             ELSE 2 END
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition
    LEFT JOIN pg_class r ON r.oid = i.inhparent
    CROSS JOIN LATERAL (
        SELECT coalesce(bool_or(a.attname = 'workspace_id'), false) AS workspace,
            coalesce(bool_or(a.attname = 'job_id'), false) AND n.nspname = 'crmd' AS job,
            coalesce(bool_or(a.attname = 'parent_id'), false) AND n.nspname = 'crmd' AS parent,
            coalesce(bool_or(a.attname = 'connection_id'), false) AND n.nspname = 'crmd' AS connection
        FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = 'uuid'::regtype) has
    WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      -- A plugin's table is one that its migration gave to crmd_app; what else shares the database is not ours.
      AND (n.nspname = 'crmd' OR n.nspname <> 'public' AND CASE
               WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'crmd_app')
                   THEN has_table_privilege('crmd_app', c.oid, 'DELETE')
               ELSE EXISTS (SELECT FROM crmd.migration m WHERE m.namespace = n.nspname) END)
      AND (has.workspace OR has.job OR has.parent OR has.connection)
$$;

-- The rows of one workspace in one of those tables.
CREATE FUNCTION crmd.tenant_rows(table_oid oid, condition text, workspace_id uuid) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT to_jsonb(t) FROM %s t WHERE %s', table_oid::regclass, condition) USING workspace_id;
END $$;

-- How many they are.
CREATE FUNCTION crmd.tenant_count(table_oid oid, condition text, workspace_id uuid) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
    v_rows bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM %s t WHERE %s', table_oid::regclass, condition) INTO v_rows USING workspace_id;
    RETURN v_rows;
END $$;

-- Erases up to rows_max of them; answers how many.
CREATE FUNCTION crmd.tenant_erase(table_oid oid, condition text, workspace_id uuid, rows_max integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    v_rows bigint;
BEGIN
    EXECUTE format('DELETE FROM %1$s WHERE ctid = ANY (ARRAY(SELECT t.ctid FROM %1$s t WHERE %2$s LIMIT $2))',
                   table_oid::regclass, condition) USING workspace_id, rows_max;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END $$;

REVOKE EXECUTE ON FUNCTION crmd.tenant_tables, crmd.tenant_rows, crmd.tenant_count, crmd.tenant_erase FROM PUBLIC;
