-- Forgets a template. $1 text: name  $2 uuid: workspace. Index: template_workspace_id_name_key.
DELETE FROM crmd.template WHERE name = $1 AND workspace_id IS NOT DISTINCT FROM $2 RETURNING name
