-- A wake-up is a hint and must never fail the transaction that gives it. NOTIFY takes less than 8000 bytes: a queue whose
-- name does not fit is told as all queues.
CREATE OR REPLACE FUNCTION crmd.wake(queue_name text DEFAULT '*') RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF EXISTS (SELECT FROM crmd.daemon d WHERE NOT d.is_dead AND cardinality(d.idle_queues) > 0
                 AND (queue_name = ANY (d.idle_queues) OR queue_name = '*')) THEN
        PERFORM pg_notify('crmd_wake', CASE WHEN octet_length(queue_name) < 8000 THEN queue_name ELSE '*' END);
    END IF;
END $$;
