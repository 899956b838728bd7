-- Begins a batch; see crmd.batch. $1 text: the jobs, as JSON  $2 text: on_success, or NULL  $3 text: on_finish, or NULL
-- $4 uuid: workspace  $5 uuid: user  $6 text: meta, as JSON
SELECT crmd.batch($1::text::jsonb, $2::text::jsonb, $3::text::jsonb, $4, $5, $6::text::jsonb)
