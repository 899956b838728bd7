-- Whether requests can read as the role that row-level security holds. No parameters.
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'crmd_api') AND pg_has_role(current_user, 'crmd_api', 'MEMBER')
