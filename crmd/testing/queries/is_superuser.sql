-- Whether rows may be restored past triggers and foreign keys. No parameters.
SELECT current_setting('is_superuser') = 'on'
