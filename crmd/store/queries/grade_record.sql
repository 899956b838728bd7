-- Keeps how a plugin did; its earlier grade goes. By the primary key.
-- $1 text: plugin, $2 text: name and version of what was run, $3 text: grade.
INSERT INTO crmd.plugin_grade (plugin, distribution, grade, checked_at) VALUES ($1, $2, $3, crmd.clock())
ON CONFLICT (plugin) DO UPDATE
SET distribution = excluded.distribution, grade = excluded.grade, checked_at = excluded.checked_at
