-- A whole chain: the events and jobs that follow from the first event or job, in the order of their making.
-- $1 uuid: any event or job of the chain  $2 int: how many of each kind at the most
-- Index: event_pkey, job_pkey, lease_pkey, archive_pkey; event_correlation, job_correlation, archive_correlation;
-- crmd.lease is read whole, it holds what runs at this moment.
WITH start AS (
    SELECT coalesce(e.metadata ->> 'correlationId', e.id::text) AS id FROM crmd.event e WHERE e.id = $1
    UNION ALL
    SELECT coalesce(j.meta ->> 'correlationId', j.id::text) FROM crmd.jobs j WHERE j.id = $1
), chain AS (
    SELECT s.id FROM start s LIMIT 1
), events AS (
    SELECT e.id, e.type, e.emitted_at AS at, e.metadata ->> 'causationId' AS cause FROM crmd.event e
    WHERE e.id = (SELECT c.id::uuid FROM chain c)
    UNION ALL
    (SELECT e.id, e.type, e.emitted_at, e.metadata ->> 'causationId' FROM crmd.event e
     WHERE e.metadata ? 'correlationId' AND e.metadata ->> 'correlationId' = (SELECT c.id FROM chain c) LIMIT $2)
), jobs AS (
    SELECT j.id, j.type, j.created_at AS at, j.status, j.meta ->> 'causationId' AS cause FROM crmd.jobs j
    WHERE j.id = (SELECT c.id::uuid FROM chain c)
    UNION ALL
    (SELECT j.id, j.type, j.created_at, CASE WHEN j.held IN ('children', 'gather') THEN 'processing'
            WHEN j.run_at > (SELECT crmd.clock()) THEN 'scheduled' ELSE 'pending' END, j.meta ->> 'causationId'
     FROM crmd.job j
     WHERE j.meta ? 'correlationId' AND j.meta ->> 'correlationId' = (SELECT c.id FROM chain c) LIMIT $2)
    UNION ALL
    (SELECT l.id, l.type, l.created_at, 'processing', l.meta ->> 'causationId' FROM crmd.lease l
     WHERE l.meta ->> 'correlationId' = (SELECT c.id FROM chain c) LIMIT $2)
    UNION ALL
    (SELECT a.id, a.type, a.created_at, a.status, a.meta ->> 'causationId' FROM crmd.archive a
     WHERE a.meta ? 'correlationId' AND a.meta ->> 'correlationId' = (SELECT c.id FROM chain c) LIMIT $2)
)
SELECT 'event' AS kind, e.id, e.type, e.at, NULL AS status, e.cause FROM events e
UNION ALL
SELECT 'job', j.id, j.type, j.at, j.status, j.cause FROM jobs j
ORDER BY at, id
