-- Whether statements of plugins must and can change their role: a superuser ignores row-level security otherwise.
-- No parameters.
SELECT r.rolsuper OR r.rolbypassrls AS is_above_policies,
    EXISTS (SELECT FROM pg_roles WHERE rolname = 'crmd_app') AND pg_has_role(current_user, 'crmd_app', 'MEMBER') AS is_member
FROM pg_roles r WHERE r.rolname = current_user
