-- Ends what is being built of a projection, to begin again. $1 text: name  $2 int: unless it is of this version; NULL: in
-- any case. Index: projection_building.
UPDATE crmd.projection p SET state = 'old' WHERE p.name = $1 AND p.state = 'building' AND p.version IS DISTINCT FROM $2
