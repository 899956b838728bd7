-- Books on which way the beginnings and ends of faults were told. Index: alert_pkey.
-- $1 text: way  $2 text[]: faults whose beginning was told  $3 text[]: faults whose end was told
UPDATE crmd.alert a SET
    told_open = CASE WHEN a.fault = ANY ($2::text[]) AND NOT a.told_open @> ARRAY[$1::text] THEN a.told_open || $1::text ELSE a.told_open END,
    told_end = CASE WHEN a.fault = ANY ($3::text[]) AND NOT a.told_end @> ARRAY[$1::text] THEN a.told_end || $1::text ELSE a.told_end END
WHERE a.fault = ANY ($2::text[] || $3::text[])
