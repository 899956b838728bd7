-- Whose rights this statement has. No parameters.
SELECT current_user::text
