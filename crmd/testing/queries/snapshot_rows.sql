-- Used as a template only: a table cannot be a parameter. {table} comes from the catalogue, quoted.
SELECT to_jsonb(t)::text AS row FROM {table} t
