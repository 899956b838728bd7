-- How many jobs and events were made within a short while, by type: ids sort by the time they were made at.
-- A job is in one of three tables at any moment, and this is one moment.
-- Types of events may be anybody's words: what neither the catalogue nor a trigger names is counted as other.
-- $1 uuid: after this id  $2 uuid: up to this one  $3 timestamptz: the instant of the first
-- $4 text[]: first words of event types that are told apart
-- Index: job_pkey, lease_pkey, archive_pkey and event_pkey of the partitions since then.
SELECT
    coalesce((SELECT jsonb_object_agg(m.type, m.jobs) FROM (
        SELECT j.type, count(*) AS jobs FROM (
            SELECT type FROM crmd.job WHERE id > $1 AND id <= $2
            UNION ALL SELECT type FROM crmd.lease WHERE id > $1 AND id <= $2
            UNION ALL SELECT type FROM crmd.archive WHERE id > $1 AND id <= $2 AND finished_at >= $3) j
        GROUP BY j.type) m), '{}') AS enqueued,
    coalesce((SELECT jsonb_object_agg(m.family, m.events) FROM (
        SELECT CASE WHEN f.family = ANY ($4)
                OR EXISTS (SELECT FROM crmd.trigger t WHERE split_part(t.event_type, '.', 1) = f.family)
            THEN f.family ELSE 'other' END AS family, sum(f.events)::bigint AS events
        FROM (SELECT split_part(e.type, '.', 1) AS family, count(*) AS events FROM crmd.event e
              WHERE e.id > $1 AND e.id <= $2 AND e.emitted_at >= $3 GROUP BY 1) f
        GROUP BY 1) m), '{}') AS emitted
