-- Whether a database belongs to a crmd that does work. No parameters.
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'crmd')
