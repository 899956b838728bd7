-- How plugins did that were run here. No parameters; a row a plugin.
SELECT g.plugin, g.distribution, g.grade, g.checked_at FROM crmd.plugin_grade g ORDER BY g.plugin
