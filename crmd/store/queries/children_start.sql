-- Enqueues jobs of several types as children of a running job; see crmd.enqueue_children.
-- $1 uuid: parent  $2 text: the jobs, as JSON  $3 uuid: workspace  $4 uuid: user  $5 text: meta, as JSON
SELECT id, is_new FROM crmd.enqueue_children($1, $2::text::jsonb, $3, $4, $5::text::jsonb) ORDER BY place
