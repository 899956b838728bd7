-- Writes the job types of the loaded plugins and removes those they no longer declare. Answers the names whose keys
-- changed, whose waiting jobs need a new lane.
-- $1 text[]: loaded plugins  $2 jsonb: rows of crmd.job_type
WITH wanted AS (
    SELECT w.* FROM jsonb_populate_recordset(NULL::crmd.job_type, $2) w
), removed AS (
    DELETE FROM crmd.job_type t WHERE t.plugin = ANY ($1) AND t.name NOT IN (SELECT name FROM wanted)
), changed AS (
    SELECT t.name FROM crmd.job_type t JOIN wanted w ON w.name = t.name WHERE t.keys <> w.keys
), written AS (
    INSERT INTO crmd.job_type AS t (name, plugin, aliases, queue, priority, max_attempts, keys, unique_scope,
        unique_seconds, unique_fields, unique_on_conflict, unique_delay_seconds, unique_max_delay_seconds,
        expires_seconds, payload_version, payload_schema, description, is_payload_sealed,
        updated_at)
    SELECT name, plugin, aliases, queue, priority, max_attempts, keys, unique_scope, unique_seconds, unique_fields,
        unique_on_conflict, unique_delay_seconds, unique_max_delay_seconds, expires_seconds, payload_version,
        payload_schema, description, is_payload_sealed, crmd.clock() FROM wanted
    ON CONFLICT (name) DO UPDATE SET plugin = excluded.plugin, aliases = excluded.aliases, queue = excluded.queue,
        priority = excluded.priority, max_attempts = excluded.max_attempts, keys = excluded.keys,
        unique_scope = excluded.unique_scope, unique_seconds = excluded.unique_seconds,
        unique_fields = excluded.unique_fields, unique_on_conflict = excluded.unique_on_conflict,
        unique_delay_seconds = excluded.unique_delay_seconds,
        unique_max_delay_seconds = excluded.unique_max_delay_seconds, expires_seconds = excluded.expires_seconds,
        payload_version = excluded.payload_version, payload_schema = excluded.payload_schema,
        description = excluded.description, is_payload_sealed = excluded.is_payload_sealed,
        updated_at = excluded.updated_at
)
SELECT name FROM changed
