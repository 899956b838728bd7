-- Writes the schedules that the loaded plugins declare. A schedule that is new, or whose times changed, begins now and
-- never backfills; one that is as it was keeps its place. Those made at run time whose job type is back go on.
-- $1 text[]: loaded plugins  $2 jsonb: rows of crmd.schedule. Index: schedule_plugin,
-- schedule_pkey, schedule_broken.
WITH wanted AS (
    SELECT w.* FROM jsonb_populate_recordset(NULL::crmd.schedule, $2) w
), removed AS (
    DELETE FROM crmd.schedule s WHERE s.origin = 'plugin' AND split_part(s.id, '/', 1) = ANY ($1)
      AND s.id NOT IN (SELECT id FROM wanted)
), revived AS (
    UPDATE crmd.schedule s SET error = NULL
    WHERE s.error LIKE 'No job type %' AND s.origin = 'runtime'
      AND EXISTS (SELECT FROM crmd.job_type t WHERE t.name = s.job_type OR s.job_type = ANY (t.aliases))
)
INSERT INTO crmd.schedule AS s (id, job_type, expression, timezone, origin, catch_up, catch_up_max, overlap,
    spread_seconds, last_due_at, next_due_at, updated_at)
SELECT id, job_type, expression, timezone, 'plugin', catch_up, catch_up_max, overlap, spread_seconds, crmd.clock(),
    next_due_at, crmd.clock() FROM wanted
ON CONFLICT (id) DO UPDATE SET
    job_type = excluded.job_type, expression = excluded.expression, timezone = excluded.timezone,
    catch_up = excluded.catch_up, catch_up_max = excluded.catch_up_max, overlap = excluded.overlap,
    spread_seconds = excluded.spread_seconds, updated_at = excluded.updated_at, error = NULL,
    last_due_at = CASE WHEN (s.expression, s.timezone) = (excluded.expression, excluded.timezone)
        THEN s.last_due_at ELSE greatest(s.last_due_at, excluded.last_due_at) END,
    next_due_at = CASE WHEN (s.expression, s.timezone) = (excluded.expression, excluded.timezone)
        THEN s.next_due_at ELSE excluded.next_due_at END,
    done_at = NULL
