-- Notes the projections of the loaded plugins. One that is new, or whose version is not the one that is read or built,
-- is built from the oldest event. $1 jsonb: rows {name, plugin, version}. Index: projection_pkey.
INSERT INTO crmd.projection (name, generation, plugin, version, state, made_at)
SELECT w.name, 1 + (SELECT coalesce(max(p.generation), 0) FROM crmd.projection p WHERE p.name = w.name), w.plugin,
    w.version, 'building', crmd.clock()
FROM jsonb_to_recordset($1) AS w(name text, plugin text, version integer)
WHERE NOT EXISTS (SELECT FROM crmd.projection p WHERE p.name = w.name AND p.state <> 'old' AND p.version = w.version)
